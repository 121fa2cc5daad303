// Parts of the launcher that make mounts, namespaces and device nodes; as root.
#include <doctest/doctest.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <iterator>
#include <sstream>

#include "../../addon/kernel/host_calls.h"
#include "../../addon/kernel/new_filesystem.h"
#include "../../addon/kernel/syscalls.h"
#include "../../addon/launcher/adopted.h"
#include "../../addon/launcher/devices.h"
#include "../../addon/launcher/home.h"
#include "../../addon/launcher/id_maps.h"
#include "../../addon/launcher/init.h"
#include "support.h"

using cloister::AdoptedCgroups;
using cloister::Arena;
using cloister::Array;
using cloister::DeviceNode;
using cloister::Devices;
using cloister::IdMapCache;
using cloister::IdMapEntry;
using cloister::KeyValue;
using cloister::Message;
using cloister::Result;
using cloister::Status;
using cloister::UniqueFd;
using cloister::test::Encoder;
using cloister::test::InChild;
using cloister::test::ListDirectory;
using cloister::test::ReadFile;
using cloister::test::ScratchDirectory;

namespace {

std::vector<long> Numbers(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<long>(in), {}};
}

template <size_t N, class T>
Array<T> All(T (&items)[N]) {
  return {items, N};
}

const UniqueFd& Proc() {
  static const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return proc;
}

}  // namespace

TEST_CASE("only the named descriptors stay open") {
  CHECK(InChild([]() -> Status {
          const int null = open("/dev/null", O_RDONLY);
          for (const int fd : {3, 7, 8, 30, 100, 500}) DEMAND(dup2(null, fd) == fd);
          const int keep[] = {100, 7, 1, 8, 7, -1};
          cloister::CloseOthers(keep, 6);
          for (const int fd : {0, 1, 2, 7, 8, 100}) DEMAND(fcntl(fd, F_GETFD) >= 0);
          for (const int fd : {3, 4, 6, 9, 30, 99, 101, 500}) DEMAND(fcntl(fd, F_GETFD) < 0);
          cloister::CloseOthers(nullptr, 0);
          DEMAND(fcntl(7, F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0);
          _exit(0);  // the pipe for a report is closed, too
        }) == "");
}

TEST_CASE("the loopback of a new network namespace is raised") {
  CHECK(InChild([]() -> Status {
          DEMAND(unshare(CLONE_NEWNET) == 0);
          CLOISTER_TRY(cloister::RaiseLoopback());
          const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
          ifreq request = {};
          strcpy(request.ifr_name, "lo");
          DEMAND(ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0);
          DEMAND((request.ifr_flags & IFF_UP) != 0);
          return {};
        }) == "");
}

TEST_CASE("the launcher's home holds next to nothing, and nothing can be written there") {
  CHECK(InChild([]() -> Status {
          DEMAND(unshare(CLONE_NEWPID) == 0);
          CLOISTER_TRY(cloister::EnterHome());
          const UniqueFd root(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
          const std::vector<std::string> expected = {"lock", "proc", "root", "sys", "work"};
          DEMAND(ListDirectory(root.get()) == expected);
          DEMAND(mkdir("/new", 0755) != 0 && errno == EROFS);
          struct statvfs about;
          DEMAND(statvfs("/", &about) == 0);
          DEMAND((about.f_flag & ST_NODEV) != 0 && (about.f_flag & ST_NOSUID) != 0 && (about.f_flag & ST_NOEXEC) != 0);
          // Three mounts, all private.
          const std::string mounts = ReadFile("/proc/self/mountinfo");
          DEMAND(std::count(mounts.begin(), mounts.end(), '\n') == 3);
          DEMAND(mounts.find("shared:") == std::string::npos && mounts.find("master:") == std::string::npos);
          return {};
        }) == "");
}

TEST_CASE("a file system that nobody knows, or with an option that it does not know") {
  KeyValue options[] = {{"size", "64k"}, {"nonsense", "1"}};
  CHECK(std::string(cloister::NewFilesystem("nosuchfs", {}, 0).error().subject) == "nosuchfs");
  CHECK(std::string(cloister::NewFilesystem("tmpfs", All(options), 0).error().subject) == "nonsense");
  Result<UniqueFd> made = cloister::NewFilesystem("tmpfs", {options, 1}, MOUNT_ATTR_RDONLY);
  REQUIRE(made.ok());
  CHECK(mkdirat(made.value().get(), "x", 0755) == -1);
  CHECK(errno == EROFS);
}

TEST_CASE("a /dev with what was asked for") {
  DeviceNode nodes[] = {
      {"null", 'c', 1, 3, 0666, ""},
      {"disk/by-id/x", 'b', 7, 300, 0640, ""},
      {"pts", 'l', 0, 0, 0755, ""},
      {"stdin", 'l', 0, 0, 0, "/proc/self/fd/0"},
  };
  umask(077);
  Devices devices;
  Result<UniqueFd> made = devices.Take(All(nodes));
  umask(022);
  REQUIRE(made.ok());
  const int dev = made.value().get();
  struct stat about;
  REQUIRE(fstatat(dev, "null", &about, AT_SYMLINK_NOFOLLOW) == 0);
  CHECK(about.st_mode == (S_IFCHR | 0666));
  CHECK(about.st_rdev == makedev(1, 3));
  REQUIRE(fstatat(dev, "disk/by-id/x", &about, AT_SYMLINK_NOFOLLOW) == 0);
  CHECK(about.st_mode == (S_IFBLK | 0640));
  CHECK(about.st_rdev == makedev(7, 300));
  REQUIRE(fstatat(dev, "pts", &about, AT_SYMLINK_NOFOLLOW) == 0);
  CHECK(about.st_mode == (S_IFDIR | 0755));
  char target[64] = "";
  CHECK(readlinkat(dev, "stdin", target, sizeof target) == 15);
  CHECK(std::string(target) == "/proc/self/fd/0");
  CHECK(mkdirat(dev, "new", 0755) == -1);
  struct statvfs flags;
  REQUIRE(fstatvfs(dev, &flags) == 0);
  CHECK((flags.f_flag & ST_NOSUID) != 0);
  CHECK((flags.f_flag & ST_NOEXEC) != 0);
}

TEST_CASE("a /dev made ahead is handed out once, and only to who wants the same") {
  DeviceNode nodes[] = {{"null", 'c', 1, 3, 0666, ""}, {"zero", 'c', 1, 5, 0666, ""}};
  Devices devices;
  devices.Prepare();
  CHECK_FALSE(devices.ready());
  Result<UniqueFd> first = devices.Take(All(nodes));
  devices.Prepare();
  REQUIRE(devices.ready());
  Result<UniqueFd> second = devices.Take(All(nodes));
  CHECK_FALSE(devices.ready());
  struct stat one, other;
  REQUIRE(fstat(first.value().get(), &one) == 0);
  REQUIRE(fstat(second.value().get(), &other) == 0);
  CHECK(one.st_dev != other.st_dev);

  devices.Prepare();
  const auto modes = [&](uint32_t mode) {
    nodes[1].mode = mode;
    Result<UniqueFd> made = devices.Take(All(nodes));
    struct stat about;
    REQUIRE(made.ok());
    REQUIRE(fstatat(made.value().get(), "zero", &about, 0) == 0);
    return about.st_mode & 0777;
  };
  CHECK(modes(0600) == 0600);
  devices.Prepare();
  CHECK(modes(0600) == 0600);
  devices.Drop();
  CHECK_FALSE(devices.ready());
}

TEST_CASE("more nodes than are remembered are made all the same") {
  std::vector<std::string> names;
  std::vector<DeviceNode> nodes;
  names.reserve(100);
  nodes.reserve(100);
  for (int i = 0; i < 100; i++) names.push_back("node" + std::to_string(i));
  for (const std::string& name : names) nodes.push_back({name.c_str(), 'c', 1, 3, 0666, ""});
  Devices devices;
  Result<UniqueFd> made = devices.Take({nodes.data(), 100});
  REQUIRE(made.ok());
  CHECK(ListDirectory(made.value().get()).size() == 100);
  devices.Prepare();
  CHECK_FALSE(devices.ready());

  const std::string longest(1000, 'a');
  DeviceNode links[] = {{"one", 'l', 0, 0, 0, longest.c_str()}, {"two", 'l', 0, 0, 0, longest.c_str()}};
  REQUIRE(devices.Take(All(links)).ok());
  devices.Prepare();
  CHECK_FALSE(devices.ready());
}

TEST_CASE("a node that cannot be made is named") {
  DeviceNode twice[] = {{"null", 'c', 1, 3, 0666, ""}, {"null", 'c', 1, 3, 0666, ""}};
  Devices devices;
  const Result<UniqueFd> made = devices.Take(All(twice));
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == EEXIST);
  CHECK(std::string(made.error().subject) == "null");
}

TEST_CASE("an id mapping is the one asked for, and made once") {
  IdMapCache cache;
  IdMapEntry uids[] = {{0, 5'000'000, 1000}, {5000, 7'000'000, 1}}, gids[] = {{0, 6'000'000, 1}};
  const auto get = [&](uint32_t outside) {
    uids[0].outside = outside;
    Result<int> fd = cache.Get(Proc().get(), All(uids), All(gids));
    REQUIRE(fd.ok());
    return fd.value();
  };
  const auto inode = [](int fd) {
    struct stat about;
    REQUIRE(fstat(fd, &about) == 0);
    return about.st_ino;
  };
  const auto first = inode(get(5'000'000));
  CHECK(inode(get(5'000'000)) == first);
  CHECK(inode(get(5'000'001)) != first);

  const int fd = get(5'000'002);
  CHECK(InChild([&]() -> Status {
          DEMAND(setns(fd, CLONE_NEWUSER) == 0);
          const std::vector<long> users = Numbers(ReadFile("/proc/self/uid_map"));
          DEMAND(users.size() == 6 && users[0] == 0 && users[1] == 5'000'002 && users[2] == 1000);
          const std::vector<long> groups = Numbers(ReadFile("/proc/self/gid_map"));
          DEMAND(groups.size() >= 3 && groups[1] == 6'000'000 && groups[2] == 1);
          return {};
        }) == "");
}

TEST_CASE("the oldest mapping makes room, and no process of any of them is left") {
  IdMapCache cache;
  const size_t before = cloister::test::CountOpenFiles();
  for (uint32_t i = 0; i < 100; i++) {
    IdMapEntry map[] = {{0, 5'000'000 + i, 1}};
    REQUIRE(cache.Get(Proc().get(), All(map), All(map)).ok());
  }
  CHECK(cloister::test::CountOpenFiles() - before <= 32);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("mappings that the kernel refuses, and those that are too long to keep or to write") {
  IdMapCache cache;
  IdMapEntry good[] = {{0, 1'000'000, 10}}, overlapping[] = {{0, 1'000'000, 10}, {5, 2'000'000, 10}};
  CHECK(cache.Get(Proc().get(), All(overlapping), All(good)).error().code == EINVAL);
  CHECK(cache.Get(Proc().get(), {}, All(good)).error().code == EINVAL);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);

  std::vector<IdMapEntry> many;
  for (uint32_t i = 0; i < 40; i++) many.push_back({i * 10, 1'000'000 + i * 10, 10});
  Result<int> uncached = cache.Get(Proc().get(), {many.data(), 40}, All(good));
  REQUIRE(uncached.ok());
  CHECK(fcntl(uncached.value(), F_GETFD) >= 0);
  for (uint32_t i = 40; i < 1000; i++) many.push_back({i * 10, 1'000'000 + i * 10, 10});
  CHECK(cache.Get(Proc().get(), {many.data(), 1000}, All(good)).error().code == E2BIG);
}

namespace {

// A message as lib/native/linux-kernel.ts sends it: for each directory the base as a descriptor, and the path below it.
void Adopt(AdoptedCgroups& adopted, const std::vector<std::pair<std::string, std::string>>& directories) {
  Encoder body;
  Message message;
  for (const auto& [base, path] : directories) {
    body.Text(path);
    message.fds[message.fd_count++].reset(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  Arena arena;
  message.body = const_cast<uint8_t*>(body.data());
  message.size = body.size();
  adopted.Add(message, arena);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST_CASE("adopted directories go with all that is below, the library's with its last owner") {
  ScratchDirectory scratch;
  std::filesystem::create_directories(scratch.At("a/cloister/owner/box/1"));
  std::filesystem::create_directories(scratch.At("a/cloister/owner/box/init"));
  std::filesystem::create_directories(scratch.At("a/cloister/other"));
  std::filesystem::create_directories(scratch.At("b/cloister/owner"));
  AdoptedCgroups adopted;
  Adopt(adopted,
        {{scratch.At("a"), "cloister/owner"}, {scratch.At("b"), "cloister/owner"}, {scratch.At("b"), "cloister/gone"}});
  adopted.RemoveAll();
  CHECK_FALSE(Exists(scratch.At("a/cloister/owner")));
  CHECK(Exists(scratch.At("a/cloister/other")));
  CHECK_FALSE(Exists(scratch.At("b/cloister")));
  CHECK(Exists(scratch.At("b")));
}

TEST_CASE("a directory may be told before it is made, and again afterwards") {
  ScratchDirectory scratch;
  std::vector<std::pair<std::string, std::string>> some;
  some.reserve(20);
  for (int i = 0; i < 20; i++) some.emplace_back(scratch.path(), "cloister/" + std::to_string(i));
  AdoptedCgroups adopted;
  Adopt(adopted, some);
  for (const auto& [base, path] : some) std::filesystem::create_directories(std::filesystem::path(base) / path);
  std::filesystem::create_directories(scratch.At("other/owner"));
  Adopt(adopted, some);
  // There is room for 32: the second time took none.
  Adopt(adopted, {{scratch.path(), "other/owner"}, {scratch.path(), "never/made"}});
  std::filesystem::create_directories(scratch.At("never"));
  adopted.RemoveAll();
  for (const char* library : {"cloister", "other", "never"}) CHECK_FALSE(Exists(scratch.At(library)));
}

TEST_CASE("a link in the place of an owner's directory is not followed") {
  ScratchDirectory scratch;
  std::filesystem::create_directories(scratch.At("a/cloister"));
  std::filesystem::create_directories(scratch.At("precious/below"));
  REQUIRE(symlink(scratch.At("precious").c_str(), scratch.At("a/cloister/owner").c_str()) == 0);
  AdoptedCgroups adopted;
  Adopt(adopted, {{scratch.At("a"), "cloister/owner"}});
  adopted.ThawAll();
  adopted.RemoveAll();
  CHECK(Exists(scratch.At("precious/below")));
}

TEST_CASE("what is frozen below an adopted directory is let go") {
  ScratchDirectory scratch;
  for (const char* group : {"a/cloister/owner/box", "a/cloister/owner/box/1"}) {
    std::filesystem::create_directories(scratch.At(group));
    cloister::test::WriteFile(scratch.At(std::string(group) + "/freezer.state"), "FROZEN");
  }
  AdoptedCgroups adopted;
  Adopt(adopted, {{scratch.At("a"), "cloister/owner"}});
  adopted.ThawAll();
  CHECK(ReadFile(scratch.At("a/cloister/owner/box/freezer.state")) == "THAWED");
  CHECK(ReadFile(scratch.At("a/cloister/owner/box/1/freezer.state")) == "THAWED");
}

TEST_CASE("more directories than there is room for, and paths that are too long, are left alone") {
  ScratchDirectory scratch;
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 40; i++) {
    const std::string owner = "cloister/" + std::to_string(i);
    std::filesystem::create_directories(scratch.At(owner));
    many.emplace_back(scratch.path(), owner);
  }
  AdoptedCgroups adopted;
  Adopt(adopted, many);
  adopted.RemoveAll();
  CHECK_FALSE(Exists(scratch.At("cloister/31")));
  CHECK(Exists(scratch.At("cloister/32")));

  AdoptedCgroups other;
  Adopt(other, {{scratch.path(), "cloister/" + std::string(200, 'x')}, {scratch.path(), "cloister/39"}});
  other.RemoveAll();
  CHECK_FALSE(Exists(scratch.At("cloister/39")));
}

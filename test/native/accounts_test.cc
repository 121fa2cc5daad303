#include "../../addon/launcher/accounts.h"

#include <doctest/doctest.h>
#include <string.h>
#include <sys/stat.h>

#include <memory>

#include "support.h"

using cloister::Account;
using cloister::FindGroup;
using cloister::FindMemberships;
using cloister::FindUser;
using cloister::FindUserById;
using cloister::kMaxGroups;
using cloister::Status;
using cloister::test::InChild;
using cloister::test::ScratchDirectory;
using cloister::test::WriteFile;

namespace {

// On the heap and of exactly that size: a parser that reads on is caught.
struct File {
  explicit File(const std::string& content) : size(content.size()), bytes(new char[content.size()]) {
    memcpy(bytes.get(), content.data(), size);
  }
  size_t size;
  std::unique_ptr<char[]> bytes;
};

// "uid:gid:home", or "none".
std::string User(const std::string& passwd, const char* name) {
  const File file(passwd);
  Account account;
  if (!FindUser(file.bytes.get(), file.size, name, account)) return "none";
  return std::to_string(account.uid) + ":" + std::to_string(account.gid) + ":" + account.home;
}

std::string Home(const std::string& passwd, uint32_t uid) {
  const File file(passwd);
  Account account;
  return FindUserById(file.bytes.get(), file.size, uid, account) ? account.home : "none";
}

std::string Group(const std::string& group, const char* name) {
  const File file(group);
  uint32_t gid = 0;
  return FindGroup(file.bytes.get(), file.size, name, gid) ? std::to_string(gid) : "none";
}

std::vector<uint32_t> Memberships(const std::string& group, const char* user) {
  const File file(group);
  Account account;
  FindMemberships(file.bytes.get(), file.size, user, account);
  return {account.groups, account.groups + account.group_count};
}

}  // namespace

TEST_CASE("a user's line") {
  const std::string passwd =
      "root:x:0:0:root:/root:/bin/sh\n"
      "web:x:33:34:www:/var/www:/usr/sbin/nologin\n"
      "last:x:1000:100:::";
  CHECK(User(passwd, "root") == "0:0:/root");
  CHECK(User(passwd, "web") == "33:34:/var/www");
  CHECK(User(passwd, "last") == "1000:100:/");  // no home is the root, no line end is no harm
  CHECK(User(passwd, "we") == "none");
  CHECK(User(passwd, "webx") == "none");
  CHECK(User(passwd, "") == "none");
  CHECK(User("", "root") == "none");
  CHECK(User("\n\n", "root") == "none");
}

TEST_CASE("the first line of a name counts, those that are broken do not") {
  CHECK(User("a:x:1:2::/one:\na:x:3:4::/two:\n", "a") == "1:2:/one");
  CHECK(User("a\na:x\na:x:1\na:x:1:\na:x::2\na:x:1:x:\na:x:3:4::/two:\n", "a") == "3:4:/two");
  CHECK(User(":x:0:0::/:\n", "") == "0:0:/");
}

TEST_CASE("numbers that are none are no users; (uid_t) -1 means \"leave as it is\" to the kernel") {
  for (const char* uid :
       {"-1", "+0", " 0", "0 ", "0x0", "1e1", "4294967295", "4294967296", "99999999999", "18446744073709551616"}) {
    CHECK(User("a:x:" + std::string(uid) + ":0::/:\n", "a") == "none");
    CHECK(User("a:x:0:" + std::string(uid) + "::/:\n", "a") == "none");
    CHECK(Group("g:x:" + std::string(uid) + ":\n", "g") == "none");
  }
  CHECK(User("a:x:4294967294:007::/:\n", "a") == "4294967294:7:/");
}

TEST_CASE("a home that cannot be one is the root") {
  const auto home = [](const std::string& text) { return Home("a:x:1:1::" + text + ":/bin/sh\n", 1); };
  CHECK(home("/h") == "/h");
  CHECK(home("relative") == "/");
  CHECK(home(std::string("/nul\0l", 6)) == "/");
  CHECK(home("/" + std::string(254, 'h')) == "/" + std::string(254, 'h'));
  CHECK(home("/" + std::string(255, 'h')) == "/");
  CHECK(Home("a:x:1:1::/h:", 2) == "none");
}

TEST_CASE("a name with a NUL is not the one without") {
  CHECK(User(std::string("root\0:x:0:0::/:\n", 16), "root") == "none");
  CHECK(Group(std::string("wheel\0:x:0:\n", 12), "wheel") == "none");
}

TEST_CASE("groups, by name and by member") {
  const std::string group =
      "root:x:0:\n"
      "web:x:33:alice,bob\n"
      "docker:x:999:bob\n"
      "broken:x:nine:bob\n"
      "twice:x:5:bob,bob\n"
      "last:x:6:bob";
  CHECK(Group(group, "web") == "33");
  CHECK(Group(group, "broken") == "none");
  CHECK(Group(group, "we") == "none");
  CHECK(Memberships(group, "bob") == std::vector<uint32_t>{33, 999, 5, 6});
  CHECK(Memberships(group, "alice") == std::vector<uint32_t>{33});
  CHECK(Memberships(group, "al") == std::vector<uint32_t>{});
  CHECK(Memberships(group, "bob,bob") == std::vector<uint32_t>{});
}

TEST_CASE("of a user in too many groups only so many are taken") {
  std::string group;
  for (int i = 0; i < 1000; i++) group += "g" + std::to_string(i) + ":x:" + std::to_string(i) + ":bob\n";
  CHECK(Memberships(group, "bob").size() == kMaxGroups);
}

TEST_CASE("the files of a sandbox may be anything") {
  ScratchDirectory root;
  CHECK(InChild([&]() -> Status {
          DEMAND(mkdir(root.At("etc").c_str(), 0755) == 0);
          DEMAND(chroot(root.path()) == 0 && chdir("/") == 0);
          Account account;
          const auto code = [&](const char* user, const char* group) {
            return cloister::LookUpAccount(user, group, account).error().code;
          };
          DEMAND(code("bob", "") == ENOENT);
          DEMAND(code("", "staff") == ENOENT);
          cloister::LookUpHome(0, account);
          DEMAND(strcmp(account.home, "/") == 0);

          // A FIFO would hold whoever opens it, a device whoever reads it.
          DEMAND(mkfifo("/etc/passwd", 0644) == 0);
          DEMAND(code("bob", "") == EINVAL);
          DEMAND(unlink("/etc/passwd") == 0 && mknod("/etc/passwd", S_IFCHR | 0644, 0x105) == 0);
          DEMAND(code("bob", "") == EINVAL);
          DEMAND(unlink("/etc/passwd") == 0 && symlink("passwd", "/etc/passwd") == 0);
          DEMAND(code("bob", "") == ELOOP);
          DEMAND(unlink("/etc/passwd") == 0 && mkdir("/etc/passwd", 0755) == 0);
          DEMAND(code("bob", "") == EINVAL);
          DEMAND(rmdir("/etc/passwd") == 0);

          WriteFile("/etc/passwd", "bob:x:7:8::/home/bob:\n" + std::string(2 << 20, 'x') + "\nlate:x:1:1::/:\n");
          DEMAND(code("bob", "") == 0);  // no /etc/group is no group
          DEMAND(account.uid == 7 && account.gid == 8 && strcmp(account.home, "/home/bob") == 0);
          DEMAND(code("late", "") == ENOENT);  // beyond what is read of a huge one
          DEMAND(code("bob", "staff") == ENOENT);
          DEMAND(code("bob", "77") == 0 && account.gid == 77);
          WriteFile("/etc/group", "staff:x:50:bob\nadm:x:4:bob\n");
          DEMAND(code("bob", "staff") == 0);
          DEMAND(account.gid == 50 && account.group_count == 2 && account.groups[1] == 4);
          DEMAND(code("bob", "nosuch") == ENOENT);
          DEMAND(code("bob", "4294967295") == ENOENT);
          DEMAND(code("bob", "1234") == 0 && account.gid == 1234);
          DEMAND(code("", "1234") == 0 && account.gid == 1234);
          WriteFile("/etc/group", "1234:x:60:\n");
          DEMAND(code("bob", "1234") == 0 && account.gid == 60);  // a name comes first
          cloister::LookUpHome(7, account);
          DEMAND(strcmp(account.home, "/home/bob") == 0);
          return {};
        }) == "");
}

TEST_CASE("a number is an account's id, or that of nobody known") {
  ScratchDirectory root;
  CHECK(InChild([&]() -> Status {
          DEMAND(mkdir(root.At("etc").c_str(), 0755) == 0);
          DEMAND(chroot(root.path()) == 0 && chdir("/") == 0);
          // "uid:gid:home" and the groups.
          const auto found = [](const char* user) -> std::string {
            Account account;
            account.gid = 99;
            if (!cloister::LookUpAccount(user, "", account).ok()) return "refused";
            std::string text = std::to_string(account.uid) + ":" + std::to_string(account.gid) + ":" + account.home;
            for (uint32_t i = 0; i < account.group_count; i++) text += " " + std::to_string(account.groups[i]);
            return text;
          };
          DEMAND(found("7") == "7:0:/");
          DEMAND(mkfifo("/etc/passwd", 0644) == 0 && found("7") == "7:0:/" && unlink("/etc/passwd") == 0);
          const std::string endless(300, 'n');
          WriteFile("/etc/passwd", "root:x:0:0::/root:\nbob:x:7:8::/home/bob:\n8:x:9:9::/:\n:x:10:11::/:\n" + endless +
                                       ":x:12:13::/:\n");
          DEMAND(found("7") == "7:8:/home/bob");
          WriteFile("/etc/group", "wheel:x:10:root,bob,\nstaff:x:50:bob\nnobody:x:60:,\nlong:x:70:" + endless + "\n");
          DEMAND(found("0") == "0:0:/root 10");
          DEMAND(found("7") == "7:8:/home/bob 10 50");
          DEMAND(found("8") == "8:0:/");  // never a name
          DEMAND(found("10") == "10:11:/");
          DEMAND(found("12") == "12:13:/");
          DEMAND(found("4294967295") == "refused");
          return {};
        }) == "");
}

#include "accounts.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../kernel/syscalls.h"
#include "../kernel/unique_fd.h"

namespace cloister {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

struct Field {
  const char* data = nullptr;
  size_t size = 0;

  bool Is(const char* text) const { return strlen(text) == size && memcmp(data, text, size) == 0; }

  bool Number(uint32_t& number) const {
    if (size == 0 || size > 10) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
      if (data[i] < '0' || data[i] > '9') return false;
      value = value * 10 + static_cast<uint64_t>(data[i] - '0');
    }
    number = static_cast<uint32_t>(value);
    return value < 0xffffffff;
  }
};

// Splits off what stands before `separator`; the rest stays in `text`.
Field Cut(Field& text, char separator) {
  const auto* end = static_cast<const char*>(text.size == 0 ? nullptr : memchr(text.data, separator, text.size));
  Field head{text.data, end == nullptr ? text.size : static_cast<size_t>(end - text.data)};
  const size_t used = head.size + (end == nullptr ? 0 : 1);
  text = {text.data + used, text.size - used};
  return head;
}

// name:password:uid:gid:comment:home:shell
bool ParseUser(Field line, Field& name, Account& account) {
  name = Cut(line, ':');
  Cut(line, ':');
  const Field uid = Cut(line, ':');
  const Field gid = Cut(line, ':');
  Cut(line, ':');
  const Field home = Cut(line, ':');
  if (!uid.Number(account.uid) || !gid.Number(account.gid)) return false;
  const bool usable = home.size > 0 && home.size < sizeof account.home && home.data[0] == '/' &&
                      memchr(home.data, 0, home.size) == nullptr;
  if (usable) memcpy(account.home, home.data, home.size);
  account.home[usable ? home.size : 0] = '\0';
  if (!usable) strcpy(account.home, "/");
  return true;
}

// Memory straight from the kernel: init shares its heap with the process that reads here (CLONE_VM), which somebody inside can kill
// at any instruction, also in the middle of malloc(3).
struct Text {
  char* data = nullptr;
  size_t size = 0;
  size_t capacity = 0;

  Status Reserve(size_t bytes, const char* subject) {
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return LastError("mmap(2)", subject);
    data = static_cast<char*>(pages);
    capacity = bytes;
    return {};
  }

  ~Text() {
    if (data != nullptr) munmap(data, capacity);
  }
};

Status ReadWhole(const char* path, Text& text) {
  // Not blocking: a FIFO in its place must not hold init.
  const UniqueFd fd(sys::OpenAt2(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, RESOLVE_NO_MAGICLINKS));
  if (!fd.valid()) return LastError("openat2(2)", path);
  struct stat about;
  if (fstat(fd.get(), &about) != 0) return LastError("stat(2)", path);
  if (!S_ISREG(about.st_mode)) return Error("stat(2)", EINVAL, path);
  const auto size = static_cast<size_t>(about.st_size);
  if (size == 0) return {};
  CLOISTER_TRY(text.Reserve(size < kMaxFileBytes ? size : kMaxFileBytes, path));
  while (text.size < text.capacity) {
    const ssize_t n = read(fd.get(), text.data + text.size, text.capacity - text.size);
    if (n < 0) return LastError("read(2)", path);
    if (n == 0) break;
    text.size += static_cast<size_t>(n);
  }
  return {};
}

// A root without such a file, or with a link in its place that leads nowhere, has no users: what is missing is the name. The file
// stands for the call, which tells this from a file that lacks the name.
Status WithoutFile(const Status& read, const char* path, const char* name) {
  const int code = read.error().code;
  return code == ENOENT || code == ENOTDIR ? Status(Error(path, ENOENT, name)) : read;
}

// An id needs no entry, and no file: its account is then nameless, and at home in "/".
void FindAccountOf(uint32_t uid, Account& account) {
  Text passwd;
  if (ReadWhole("/etc/passwd", passwd).ok() && FindUserById(passwd.data, passwd.size, uid, account)) return;
  account.name[0] = '\0';
  strcpy(account.home, "/");
}

}  // namespace

bool FindUser(const char* text, size_t size, const char* name, Account& account) {
  for (Field rest{text, size}; rest.size > 0;) {
    Field entry;
    Account found;
    if (!ParseUser(Cut(rest, '\n'), entry, found) || !entry.Is(name)) continue;
    account.uid = found.uid;
    account.gid = found.gid;
    memcpy(account.home, found.home, sizeof account.home);
    return true;
  }
  return false;
}

bool FindUserById(const char* text, size_t size, uint32_t uid, Account& account) {
  for (Field rest{text, size}; rest.size > 0;) {
    Field entry;
    Account found;
    if (!ParseUser(Cut(rest, '\n'), entry, found) || found.uid != uid) continue;
    account.gid = found.gid;
    const bool usable = entry.size < sizeof account.name && memchr(entry.data, 0, entry.size) == nullptr;
    if (usable) memcpy(account.name, entry.data, entry.size);
    account.name[usable ? entry.size : 0] = '\0';
    memcpy(account.home, found.home, sizeof account.home);
    return true;
  }
  return false;
}

bool FindGroup(const char* text, size_t size, const char* name, uint32_t& gid) {
  for (Field rest{text, size}; rest.size > 0;) {
    Field line = Cut(rest, '\n');
    const Field entry = Cut(line, ':');
    Cut(line, ':');
    if (entry.Is(name) && Cut(line, ':').Number(gid)) return true;
  }
  return false;
}

void FindMemberships(const char* text, size_t size, const char* user, Account& account) {
  for (Field rest{text, size}; rest.size > 0;) {
    Field line = Cut(rest, '\n');
    Cut(line, ':');
    Cut(line, ':');
    uint32_t gid;
    if (!Cut(line, ':').Number(gid)) continue;
    while (line.size > 0) {
      if (!Cut(line, ',').Is(user)) continue;
      if (account.group_count < kMaxGroups) account.groups[account.group_count++] = gid;
      break;
    }
  }
}

bool IsId(const char* user) {
  uint32_t id;
  return Field{user, strlen(user)}.Number(id);
}

Status LookUpAccount(const char* user, const char* group, Account& account) {
  if (Field{user, strlen(user)}.Number(account.uid)) {
    account.gid = 0;
    FindAccountOf(account.uid, account);
    user = account.name;
  } else if (user[0] != '\0') {
    Text passwd;
    const Status read = ReadWhole("/etc/passwd", passwd);
    if (!read.ok()) return WithoutFile(read, "/etc/passwd", user);
    if (!FindUser(passwd.data, passwd.size, user, account)) return Error("passwd(5)", ENOENT, user);
  }
  Text groups;
  const Status read = ReadWhole("/etc/group", groups);
  const bool found = group[0] != '\0' && read.ok() && FindGroup(groups.data, groups.size, group, account.gid);
  // What is no name may be a number: `name:gid`, OCI image specification, "User".
  if (group[0] != '\0' && !found && !Field{group, strlen(group)}.Number(account.gid)) {
    return read.ok() ? Status(Error("group(5)", ENOENT, group)) : WithoutFile(read, "/etc/group", group);
  }
  if (user[0] != '\0' && read.ok()) FindMemberships(groups.data, groups.size, user, account);
  return {};
}

void LookUpHome(uint32_t uid, Account& account) {
  Account found;
  FindAccountOf(uid, found);
  memcpy(account.home, found.home, sizeof account.home);
}

}  // namespace cloister

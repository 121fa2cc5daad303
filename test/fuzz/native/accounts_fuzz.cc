// Any text is a passwd(5) or group(5) file. What is found in it keeps its promises: ids that setresuid(2) takes for ids, an absolute
// home that ends. The input: a name, a line break, the file.
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <string>

#include "../../../addon/launcher/accounts.h"

namespace {

void Check(bool condition) {
  if (!condition) abort();
}

void CheckHome(const cloister::Account& account) {
  Check(memchr(account.home, 0, sizeof account.home) != nullptr);
  Check(account.home[0] == '/');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* end = static_cast<const uint8_t*>(size == 0 ? nullptr : memchr(data, '\n', size));
  if (end == nullptr || memchr(data, 0, static_cast<size_t>(end - data)) != nullptr) return 0;
  const std::string name(reinterpret_cast<const char*>(data), static_cast<size_t>(end - data));
  const size_t length = size - name.size() - 1;
  const std::unique_ptr<char[]> text(new char[length]);
  memcpy(text.get(), end + 1, length);

  cloister::Account account;
  if (cloister::FindUser(text.get(), length, name.c_str(), account)) {
    Check(account.uid != UINT32_MAX && account.gid != UINT32_MAX);
    CheckHome(account);
    cloister::Account again;
    Check(cloister::FindUserById(text.get(), length, account.uid, again));
    CheckHome(again);
  }
  uint32_t gid = UINT32_MAX;
  if (cloister::FindGroup(text.get(), length, name.c_str(), gid)) Check(gid != UINT32_MAX);
  cloister::FindMemberships(text.get(), length, name.c_str(), account);
  Check(account.group_count <= cloister::kMaxGroups);
  for (uint32_t i = 0; i < account.group_count; i++) Check(account.groups[i] != UINT32_MAX);
  return 0;
}

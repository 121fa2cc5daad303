// Users and groups as the sandbox's own /etc/passwd and /etc/group name them. Both files may be hostile:
// regular files only, bounded, parsed without any library of the sandbox (CVE-2019-14271).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../kernel/result.h"

namespace cloister {

inline constexpr uint32_t kMaxGroups = 256;

struct Account {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t groups[kMaxGroups];
  uint32_t group_count = 0;
  char name[256] = "";  // of an account that was found by its id
  char home[256] = "";
};

// Looks in texts of passwd(5) and group(5). False: no such entry.
bool FindUser(const char* text, size_t size, const char* name, Account& account);
bool FindUserById(const char* text, size_t size, uint32_t uid, Account& account);
bool FindGroup(const char* text, size_t size, const char* name, uint32_t& gid);
void FindMemberships(const char* text, size_t size, const char* user, Account& account);

// Whether `user` is an id rather than a name.
bool IsId(const char* user);
// Resolves a name with its groups; `group`, a name or a number, overrides the primary one when not empty. A number as `user` is an
// id, of an account or of none, which is in group 0.
Status LookUpAccount(const char* user, const char* group, Account& account);
// Fills in `home` alone; an unknown id has the home "/".
void LookUpHome(uint32_t uid, Account& account);

}  // namespace cloister

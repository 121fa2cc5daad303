#include "new_filesystem.h"

#include "syscalls.h"

namespace cloister {

Result<UniqueFd> NewFilesystem(const char* type, const Array<KeyValue>& options, uint64_t attributes) {
  const UniqueFd context(sys::FsOpen(type));
  if (!context.valid()) return LastError("fsopen(2)", type);
  for (const KeyValue& option : options) {
    const bool flag = option.value[0] == '\0';
    const unsigned command = flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    if (sys::FsConfig(context.get(), command, option.key, flag ? nullptr : option.value, 0) != 0) {
      return LastError("fsconfig(2)", option.key);
    }
  }
  if (sys::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return LastError("fsconfig(2)", type);
  UniqueFd mount(sys::FsMount(context.get(), static_cast<unsigned>(attributes)));
  if (!mount.valid()) return LastError("fsmount(2)", type);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(mount));
}

}  // namespace cloister

// The launcher's own tiny mount namespace. Each sandbox's namespace starts as a copy of it, so it holds next to nothing:
// a small copy is a fast clone3(2), and nothing of the host can be left behind in a sandbox by accident.
#pragma once

#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"

namespace cloister {

namespace home {
inline constexpr const char* kProc = "/proc";  // the host's; a visible one is what lets a sandbox mount its own
inline constexpr const char* kSys = "/sys";    // likewise; also bound where a sandbox shares the host's network
inline constexpr const char* kRoot = "/root";  // where a sandbox assembles its root
inline constexpr const char* kWork = "/work";  // where layers stand while an overlay is made of their paths
// Where mounts stand while a sandbox's namespace is copied, see LockMounts.
inline constexpr const char* kLock = "/lock";
inline constexpr const char* kLockDirectory = "/lock/%u";
inline constexpr const char* kLockFile = "/lock/%u.file";
inline constexpr uint32_t kLockSlots = 160;
}  // namespace home

// Moves this process there; the host's file systems are out of reach afterwards.
Status EnterHome();

}  // namespace cloister

// Removes a directory and all in it, whatever is in it.
#pragma once

#include "../kernel/result.h"

namespace cloister::layers {

// Removes `name` in the directory `parent_fd`; nothing there is no error. Never follows a link and never enters a mount,
// whoever else changes the tree meanwhile; takes any depth with a few descriptors and no recursion; immutable files lose that
// flag where the kernel lets us, ioctl_iflags(2).
Status RemoveTree(int parent_fd, const char* name);

}  // namespace cloister::layers

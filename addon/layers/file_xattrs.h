// The extended attributes of an opened file, as a layer holds them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../kernel/result.h"
#include "attributes.h"
#include "id_map.h"

namespace cloister::layers {

// Sorted by name. `fd` may have been opened with O_PATH; `path` is for messages.
Result<Xattrs> ReadXattrs(int fd, std::string_view path);

// Takes away what a layer does not hold, and makes ids those of the inside: EOVERFLOW for one that the maps do not have.
Status ToInside(const IdMap& uids, const IdMap& gids, std::string_view path, Xattrs& xattrs);

const std::string* FindXattr(const Xattrs& xattrs, std::string_view name);

}  // namespace cloister::layers

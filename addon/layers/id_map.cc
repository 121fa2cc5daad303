#include "id_map.h"

namespace cloister::layers {

std::optional<uint32_t> InsideId(const IdMap& map, uint32_t outside) {
  if (map.empty()) return outside;
  for (const IdRange& range : map) {
    if (outside >= range.outside && outside - range.outside < range.count)
      return range.inside + (outside - range.outside);
  }
  return std::nullopt;
}

}  // namespace cloister::layers

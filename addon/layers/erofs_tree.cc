#include "erofs_tree.h"

#include <algorithm>

#include "fault.h"
#include "name_hash.h"

namespace cloister::layers::erofs {
namespace {

constexpr const char* kTooMany = "the layer has more files than allowed";

}  // namespace

// Names are addressed with 32 bits, and are of at most 255 bytes.
Tree::Tree(uint64_t max_names) : max_names_(std::min<uint64_t>(max_names, UINT32_MAX / 256)), table_(1024) {
  AddXattrs("");
}

Result<InodeId> Tree::Add(const Node& node) {
  // One more for the root, which has no name.
  if (nodes_.size() > max_names_) return Fault(FaultKind::kLimit, 0, "", kTooMany);
  nodes_.push_back(node);
  return Result<InodeId>(static_cast<InodeId>(nodes_.size() - 1));
}

size_t Tree::SlotOf(InodeId parent, std::string_view name) const {
  const size_t mask = table_.size() - 1;
  size_t slot = HashName(parent, name) & mask;
  for (; table_[slot] != 0; slot = (slot + 1) & mask) {
    const Name& found = entries_[table_[slot] - 1];
    if (found.parent == parent && NameOf(found) == name) break;
  }
  return slot;
}

InodeId Tree::Find(InodeId parent, std::string_view name) const {
  const uint32_t index = table_[SlotOf(parent, name)];
  return index == 0 ? kNone : entries_[index - 1].child;
}

Status Tree::Put(InodeId parent, std::string_view name, InodeId child) {
  const size_t slot = SlotOf(parent, name);
  if (table_[slot] != 0) {
    entries_[table_[slot] - 1].child = child;
    return Done{};
  }
  if (entries_.size() >= max_names_) return Fault(FaultKind::kLimit, 0, "", kTooMany);
  const auto offset = static_cast<uint32_t>(names_.size());
  names_ += name;
  entries_.push_back({parent, child, offset, static_cast<uint8_t>(name.size())});
  table_[slot] = static_cast<uint32_t>(entries_.size());
  if (entries_.size() * 2 > table_.size()) Grow();
  return Done{};
}

void Tree::Remove(InodeId parent, std::string_view name) {
  const uint32_t index = table_[SlotOf(parent, name)];
  if (index != 0) entries_[index - 1].child = kNone;
}

void Tree::Grow() {
  table_.assign(table_.size() * 2, 0);
  for (uint32_t i = 0; i < entries_.size(); i++) table_[SlotOf(entries_[i].parent, NameOf(entries_[i]))] = i + 1;
}

std::vector<Name> Tree::TakeSorted() {
  std::vector<uint32_t>().swap(table_);
  std::vector<Name> sorted = std::move(entries_);
  std::erase_if(sorted, [](const Name& name) { return name.child == kNone; });
  std::sort(sorted.begin(), sorted.end(), [this](const Name& a, const Name& b) {
    return a.parent != b.parent ? a.parent < b.parent : NameOf(a) < NameOf(b);
  });
  return sorted;
}

uint64_t Tree::AddTarget(std::string_view target) {
  const uint64_t place = targets_.size();
  targets_ += target;
  return place;
}

uint32_t Tree::AddXattrs(std::string&& encoded) {
  const auto [entry, is_new] = xattr_ids_.try_emplace(std::move(encoded), static_cast<uint32_t>(xattrs_.size()));
  if (is_new) xattrs_.push_back(&entry->first);
  return entry->second;
}

uint32_t Tree::AddChunked(ChunkedFile&& file) {
  chunked_.push_back(std::move(file));
  return static_cast<uint32_t>(chunked_.size() - 1);
}

}  // namespace cloister::layers::erofs

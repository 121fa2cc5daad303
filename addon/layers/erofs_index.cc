#include "erofs_index.h"

#include <errno.h>
#include <sys/stat.h>

#include "erofs_entries.h"
#include "erofs_layout.h"
#include "erofs_writer.h"

namespace cloister::layers {
namespace {

// As the unpacker allows: tar programs fill their last record.
constexpr uint64_t kMaxTrailingBytes = uint64_t{64} * 1024 * 1024;

Status CheckOutput(int fd) {
  struct stat about;
  if (fstat(fd, &about) != 0) return LastError("fstat(2)", "layer index");
  if (!S_ISREG(about.st_mode) || about.st_size != 0)
    return Error("layer index", EINVAL, "it is written to an empty file");
  return Done{};
}

}  // namespace

Result<IndexReport> IndexTar(ByteSource& source, int output_fd, const IndexOptions& options) {
  CLOISTER_TRY(CheckOutput(output_fd));
  TarReader reader(source);
  ImageOutput output(output_fd, erofs::kFirstBlock * erofs::kBlock);
  erofs::Tree tree(options.max_entries);
  erofs::Entries entries(tree, reader, output,
                         {options.max_entries, options.max_bytes, options.max_index_bytes, options.max_path_bytes});
  CLOISTER_TRY(entries.Run());
  CLOISTER_TRY(reader.Drain(kMaxTrailingBytes));
  const erofs::EntryCounts& counts = entries.counts();
  const erofs::Archive archive = {reader.offset(), counts.entries, options.layer};
  const bool is_opaque = tree.node(erofs::kRoot).opaque;
  CLOISTER_ASSIGN(plan, erofs::LayoutPlan::Make(tree, options.max_index_bytes));
  CLOISTER_ASSIGN(bytes, erofs::WriteImage(tree, plan, archive, output_fd, output));
  return Result<IndexReport>({counts.entries, bytes, archive.bytes, counts.dropped_attributes, is_opaque});
}

}  // namespace cloister::layers

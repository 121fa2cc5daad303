#include "erofs_index.h"

#include <errno.h>
#include <sys/stat.h>

#include "erofs_entries.h"
#include "erofs_layout.h"
#include "erofs_writer.h"

namespace cloister::layers {
namespace {

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
  erofs::Entries entries(tree, reader, output, options.max_bytes);
  CLOISTER_TRY(entries.Begin());
  erofs::Archive archive;
  archive.digest = options.layer;
  TarEntry entry;
  for (;; archive.entries++) {
    CLOISTER_ASSIGN(found, reader.Next(entry));
    if (!found) break;
    CLOISTER_TRY(entries.Add(entry));
  }
  CLOISTER_TRY(reader.Drain(UINT64_MAX));
  archive.bytes = reader.offset();
  CLOISTER_ASSIGN(plan, erofs::LayoutPlan::Make(tree, options.max_bytes));
  CLOISTER_ASSIGN(bytes, erofs::WriteImage(tree, plan, archive, output_fd, output));
  return Result<IndexReport>({archive.entries, bytes, archive.bytes});
}

}  // namespace cloister::layers

#include "erofs.h"

#include <unistd.h>

#include <string>

#include "../layers/erofs_index.h"
#include "../layers/erofs_mount.h"
#include "arguments.h"
#include "job.h"

namespace cloister::binding {
namespace {

using layers::ByteSource;
using layers::IndexOptions;
using layers::IndexReport;
using layers::erofs::LayerDigest;

LayerDigest DigestOf(const Napi::Value& value) {
  const std::string text = value.ToString();
  LayerDigest digest;
  snprintf(digest.text, sizeof digest.text, "%s", text.c_str());
  return digest;
}

IndexOptions OptionsOf(const Napi::Object& object) {
  IndexOptions options;
  options.layer = DigestOf(object.Get("layer"));
  options.max_bytes = Limit(object, "maxBytes");
  options.max_entries = Limit(object, "maxEntries");
  options.max_index_bytes = Limit(object, "maxIndexBytes");
  return options;
}

Napi::Value ToObject(Napi::Env env, IndexReport& report) {
  Napi::Object object = Napi::Object::New(env);
  SetCount(object, "entries", report.entries);
  SetCount(object, "bytes", report.bytes);
  SetCount(object, "archiveBytes", report.archive_bytes);
  SetCount(object, "droppedAttributes", report.dropped_attributes);
  object.Set("isOpaque", Napi::Boolean::New(env, report.is_opaque));
  return object;
}

}  // namespace

Napi::Value IndexTar(const Napi::CallbackInfo& info) {
  auto archive = CopyFd(info[0]);
  if (!archive.ok()) return Throw(info.Env(), archive.error());
  auto index = CopyFd(info[1]);
  if (!index.ok()) return Throw(info.Env(), index.error());
  const IndexOptions options = OptionsOf(info[2].As<Napi::Object>());
  SharedFd writer;
  if (info[3].IsNumber()) {
    auto copy = CopyFd(info[3]);
    if (!copy.ok()) return Throw(info.Env(), copy.error());
    writer = copy.take();
  }
  const auto work = [source = archive.take(), target = index.take(), writer, options] {
    // A file is read from its start; anything else has no other place, lseek(2) ESPIPE.
    lseek(source->get(), 0, SEEK_SET);
    layers::FdSource whole(source->get());
    layers::GrowingFile growing(source->get(), writer ? writer->get() : -1);
    ByteSource& bytes = writer ? static_cast<ByteSource&>(growing) : whole;
    Result<IndexReport> report = layers::IndexTar(bytes, target->get(), options);
    // Now, not when JavaScript gets to it: who writes to a pipe learns from it that nobody reads any more.
    source->reset();
    return report;
  };
  return Job<IndexReport>::Start(info.Env(), "cloister.indexTar", work, ToObject);
}

Napi::Value MountErofs(const Napi::CallbackInfo& info) {
  auto index = CopyFd(info[0]);
  if (!index.ok()) return Throw(info.Env(), index.error());
  auto archive = CopyFd(info[1]);
  if (!archive.ok()) return Throw(info.Env(), archive.error());
  const LayerDigest layer = DigestOf(info[2]);
  const uint64_t attributes = info[3].As<Napi::Number>().Uint32Value();
  const auto work = [metadata = index.take(), data = archive.take(), layer, attributes] {
    return layers::MountErofs(metadata->get(), data->get(), layer, attributes);
  };
  const auto settle = [](Napi::Env env, UniqueFd& mount) -> Napi::Value {
    return Napi::Number::New(env, mount.release());
  };
  return Job<UniqueFd>::Start(info.Env(), "cloister.mountErofs", work, settle);
}

}  // namespace cloister::binding

// The complete list of what the addon exports. lib/native/addon.ts mirrors it; test/integration/root/addon.test.ts compares.
#include <linux/mount.h>
#include <napi.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "../kernel/device_filter.h"
#include "../kernel/host_calls.h"
#include "../kernel/kill_members.h"
#include "../kernel/message.h"
#include "../kernel/new_filesystem.h"
#include "../kernel/terminal.h"
#include "convert.h"
#include "erofs.h"
#include "layers.h"
#include "pack.h"

namespace cloister::binding {
namespace {

int Int(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Int32Value(); }
uint32_t Uint(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Uint32Value(); }

// Of one thread of the application. Node closes what `node:fs` and its streams have opened when the thread ends, and nothing else:
// the sockets that keep a launcher and its sandboxes alive, and pipes that a job waits at, are closed here, terminated or not.
struct Thread {
  std::set<int> descriptors;

  ~Thread() {
    for (const int fd : descriptors) close(fd);
  }
};

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  Result<FdPair> pair = cloister::SocketPair();
  if (pair.ok()) info.Env().GetInstanceData<Thread>()->descriptors.insert(pair.value().first.get());
  return ConvertPair(info.Env(), static_cast<Result<FdPair>&&>(pair));
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  const int fd = Int(info, 0);
  info.Env().GetInstanceData<Thread>()->descriptors.erase(fd);
  if (close(fd) != 0) return Throw(info.Env(), LastError("close(2)", "descriptor"));
  return info.Env().Undefined();
}

// pipe(ours, capacityBytes, isKept): 'read' or 'write', and 0 for the usual capacity. `isKept`: our end goes to no stream, which
// would close it, but to close().
Napi::Value Pipe(const Napi::CallbackInfo& info) {
  const std::string ours = info[0].As<Napi::String>();
  Result<FdPair> pair = cloister::Pipe(ours == "read" ? PipeEnd::kRead : PipeEnd::kWrite, Int(info, 1));
  if (pair.ok() && info[2].ToBoolean()) {
    const FdPair& ends = pair.value();
    info.Env().GetInstanceData<Thread>()->descriptors.insert((ours == "read" ? ends.first : ends.second).get());
  }
  return ConvertPair(info.Env(), static_cast<Result<FdPair>&&>(pair));
}

Napi::Value CloneMount(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  return Convert(info.Env(), cloister::CloneMount(path.c_str(), info[1].ToBoolean()));
}

Napi::Value CloneMountOf(const Napi::CallbackInfo& info) {
  return Convert(info.Env(), cloister::CloneMountOf(Int(info, 0)));
}

// newFilesystem(type, [[key, value]…]): a descriptor of a mount that is read-only as far as the options say so.
Napi::Value NewFilesystem(const Napi::CallbackInfo& info) {
  const std::string type = info[0].As<Napi::String>();
  const auto pairs = info[1].As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < pairs.Length(); i++) {
    const auto pair = pairs.Get(i).As<Napi::Array>();
    texts.push_back(pair.Get(0U).ToString());
    texts.push_back(pair.Get(1U).ToString());
  }
  std::vector<KeyValue> options;
  for (size_t i = 0; i < texts.size(); i += 2) options.push_back({texts[i].c_str(), texts[i + 1].c_str()});
  const Array<KeyValue> list = {options.data(), static_cast<uint32_t>(options.size())};
  return Convert(info.Env(), cloister::NewFilesystem(type.c_str(), list, MOUNT_ATTR_NODEV));
}

Napi::Value SealedCopy(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  return Convert(info.Env(), cloister::SealedCopy(path.c_str()));
}

Napi::Value TryLock(const Napi::CallbackInfo& info) { return Convert(info.Env(), cloister::TryLock(Int(info, 0))); }

// lockRange(fd, kind, start, length): 'shared', 'exclusive' or 'none'.
Napi::Value LockRange(const Napi::CallbackInfo& info) {
  const std::string kind = info[1].As<Napi::String>();
  const LockKind wanted = kind == "shared"      ? LockKind::kShared
                          : kind == "exclusive" ? LockKind::kExclusive
                                                : LockKind::kNone;
  return Convert(info.Env(), cloister::LockRange(Int(info, 0), wanted, info[2].As<Napi::Number>().Int64Value(),
                                                 info[3].As<Napi::Number>().Int64Value()));
}

// send(socket, type, body, fds): false when the receiver does not keep up.
Napi::Value Send(const Napi::CallbackInfo& info) {
  const auto body = info[2].As<Napi::Uint8Array>();
  const auto list = info[3].As<Napi::Array>();
  int fds[kMaxFds];
  const uint32_t count = list.Length();
  if (count > kMaxFds) return Throw(info.Env(), Error("sendmsg(2)", ETOOMANYREFS, "descriptors"));
  for (uint32_t i = 0; i < count; i++) fds[i] = list.Get(i).ToNumber().Int32Value();
  const Status sent = SendMessage(Int(info, 0), static_cast<MessageType>(Uint(info, 1)), body.Data(),
                                  static_cast<uint32_t>(body.ByteLength()), fds, count);
  if (sent.ok()) return Napi::Boolean::New(info.Env(), true);
  if (sent.error().code == EAGAIN) return Napi::Boolean::New(info.Env(), false);
  return Throw(info.Env(), sent.error());
}

Napi::Value ReceiveFd(const Napi::CallbackInfo& info) { return Convert(info.Env(), cloister::ReceiveFd(Int(info, 0))); }

Napi::Value OpenTerminalPeer(const Napi::CallbackInfo& info) {
  return Convert(info.Env(), cloister::OpenTerminalPeer(Int(info, 0)));
}

Napi::Value ResizeTerminal(const Napi::CallbackInfo& info) {
  return Convert(info.Env(), cloister::ResizeTerminal(Int(info, 0), Uint(info, 1), Uint(info, 2)));
}

Napi::Value KillMembers(const Napi::CallbackInfo& info) {
  const std::string file = info[0].As<Napi::String>();
  return Convert(info.Env(), cloister::KillMembers(file.c_str()));
}

Napi::Value AttachDeviceFilter(const Napi::CallbackInfo& info) {
  const auto program = info[1].As<Napi::Uint8Array>();
  return Convert(info.Env(), cloister::AttachDeviceFilter(Int(info, 0), program.Data(), program.ByteLength()));
}

Napi::Object Export(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    const auto unless_ending = [function](const Napi::CallbackInfo& info) {
      return CanRun(info.Env()) ? function(info) : info.Env().Undefined();
    };
    exports.Set(name, Napi::Function::New(env, unless_ending, name));
  };
  env.SetInstanceData(new Thread);
  add("socketPair", SocketPair);
  add("close", Close);
  add("pipe", Pipe);
  add("cloneMount", CloneMount);
  add("cloneMountOf", CloneMountOf);
  add("newFilesystem", NewFilesystem);
  add("sealedCopy", SealedCopy);
  add("tryLock", TryLock);
  add("lockRange", LockRange);
  add("send", Send);
  add("receiveFd", ReceiveFd);
  add("openTerminalPeer", OpenTerminalPeer);
  add("resizeTerminal", ResizeTerminal);
  add("killMembers", KillMembers);
  add("attachDeviceFilter", AttachDeviceFilter);
  add("canDecompress", CanDecompress);
  add("decompress", Decompress);
  add("unpackTar", UnpackTar);
  add("removeTree", RemoveTree);
  add("indexTar", IndexTar);
  add("mountErofs", MountErofs);
  add("packTree", PackTree);
  add("syncFilesystem", SyncFilesystem);
  return exports;
}

NODE_API_MODULE(cloister, Export)

}  // namespace
}  // namespace cloister::binding

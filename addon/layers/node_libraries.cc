#include "node_libraries.h"

#include <dlfcn.h>

namespace cloister::layers {
namespace {

template <class Function>
bool Find(const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

}  // namespace

const Zlib* FindZlib() {
  static Zlib zlib;
  static const bool found = Find("zlibVersion", zlib.version) && Find("inflateInit2_", zlib.inflate_init) &&
                            Find("inflate", zlib.inflate) && Find("inflateReset", zlib.inflate_reset) &&
                            Find("inflateEnd", zlib.inflate_end);
  Find("inflateValidate", zlib.inflate_validate);
  return found ? &zlib : nullptr;
}

const Evp* FindEvp() {
  static Evp evp;
  static const bool found = Find("EVP_MD_CTX_new", evp.context_new) && Find("EVP_MD_CTX_free", evp.context_free) &&
                            Find("EVP_sha256", evp.sha256) && Find("EVP_sha512", evp.sha512) &&
                            Find("EVP_DigestInit_ex", evp.init) && Find("EVP_DigestUpdate", evp.update) &&
                            Find("EVP_DigestFinal_ex", evp.finish);
  return found ? &evp : nullptr;
}

}  // namespace cloister::layers

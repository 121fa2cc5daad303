// zlib and OpenSSL as Node has them: it re-exports both for addons, https://nodejs.org/api/addons.html ("Linking to libraries included
// with Node.js"). They are looked up by name, so that this code links, and says what is missing, where they are not.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace cloister::layers {

// zlib.h; its layout is part of zlib's interface, and inflateInit2_ checks the size.
struct ZStream {
  const uint8_t* next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* msg;
  void* state;
  void* allocate;
  void* release;
  void* opaque;
  int data_type;
  unsigned long check;
  unsigned long reserved;
};

struct Zlib {
  const char* (*version)() = nullptr;
  int (*inflate_init)(ZStream*, int window_bits, const char* version, int stream_size) = nullptr;
  int (*inflate)(ZStream*, int flush) = nullptr;
  int (*inflate_reset)(ZStream*) = nullptr;
  int (*inflate_end)(ZStream*) = nullptr;
  int (*inflate_validate)(ZStream*, int check) = nullptr;  // null where it is not offered
};

// openssl/evp.h
struct Evp {
  void* (*context_new)() = nullptr;
  void (*context_free)(void*) = nullptr;
  const void* (*sha256)() = nullptr;
  const void* (*sha512)() = nullptr;
  int (*init)(void* context, const void* type, void* engine) = nullptr;
  int (*update)(void* context, const void* data, size_t size) = nullptr;
  int (*finish)(void* context, unsigned char* digest, unsigned* size) = nullptr;
};

// Null where a function of it is missing.
const Zlib* FindZlib();
const Evp* FindEvp();

}  // namespace cloister::layers

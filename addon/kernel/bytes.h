// Reads the little-endian encoding that lib/native/wire.ts writes. Every length is checked; after the first fault
// all reads return zero and `ok()` is false, so a decoder reads straight through and asks once at the end.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace cloister {

template <class T>
struct Array {
  T* data = nullptr;
  uint32_t size = 0;

  T* begin() const { return data; }
  T* end() const { return data + size; }
  T& operator[](uint32_t index) const { return data[index]; }
};

using Bytes = Array<const uint8_t>;

// Memory of one decoded message; freed as a whole.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    while (head_ != nullptr) {
      Block* next = head_->next;
      free(head_);
      head_ = next;
    }
  }

  template <class T>
  T* Make(uint32_t count) {
    auto* block = static_cast<Block*>(calloc(1, sizeof(Block) + sizeof(T) * count));
    if (block == nullptr) return nullptr;
    block->next = head_;
    head_ = block;
    return reinterpret_cast<T*>(block + 1);
  }

 private:
  struct alignas(16) Block {
    Block* next;
  };
  Block* head_ = nullptr;
};

class Reader {
 public:
  Reader(const uint8_t* data, size_t size, Arena& arena) : data_(data), size_(size), arena_(arena) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == size_; }
  void Fail() { ok_ = false; }

  uint8_t U8() { return Scalar<uint8_t>(); }
  uint32_t U32() { return Scalar<uint32_t>(); }
  int32_t I32() { return Scalar<int32_t>(); }
  uint64_t U64() { return Scalar<uint64_t>(); }
  int64_t I64() { return Scalar<int64_t>(); }

  Bytes Blob() {
    const uint32_t length = U32();
    if (!ok_ || length > size_ - at_) return Fault<Bytes>();
    Bytes bytes{data_ + at_, length};
    at_ += length;
    return bytes;
  }

  // Stored with its terminating NUL, which the length includes; no other NUL may be in it.
  const char* String() {
    const Bytes bytes = Blob();
    if (!ok_ || bytes.size == 0 || memchr(bytes.data, 0, bytes.size) != bytes.data + bytes.size - 1) {
      ok_ = false;
      return "";
    }
    return reinterpret_cast<const char*>(bytes.data);
  }

  // `extra` zeroed items follow the list: argv and envp end with a null pointer.
  template <class T, class ReadItem>
  Array<T> List(ReadItem read_item, uint32_t extra = 0) {
    const uint32_t count = U32();
    // Every item takes at least one byte, which bounds what a lying count can make us allocate.
    if (!ok_ || count > size_ - at_) return Fault<Array<T>>();
    Array<T> list{arena_.Make<T>(count + extra), count};
    if (list.data == nullptr) return Fault<Array<T>>();
    for (uint32_t i = 0; i < count && ok_; i++) list.data[i] = read_item(*this);
    return list;
  }

 private:
  template <class T>
  T Scalar() {
    T value{};
    if (!ok_ || sizeof value > size_ - at_) return Fault<T>();
    memcpy(&value, data_ + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  template <class T>
  T Fault() {
    ok_ = false;
    return T{};
  }

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
  bool ok_ = true;
  Arena& arena_;
};

}  // namespace cloister

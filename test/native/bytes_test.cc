#include "../../addon/kernel/bytes.h"

#include <doctest/doctest.h>

#include "support.h"

using cloister::Arena;
using cloister::Array;
using cloister::Bytes;
using cloister::Reader;
using cloister::test::Encoder;

TEST_CASE("numbers are little endian and of their own size") {
  Encoder out;
  out.U8(0xfe).U32(0x89abcdef).I32(-2).U64(0x0123456789abcdefULL).I64(INT64_MIN);
  CHECK(out.bytes()[1] == 0xef);
  Arena arena;
  Reader in(out.data(), out.size(), arena);
  CHECK(in.U8() == 0xfe);
  CHECK(in.U32() == 0x89abcdef);
  CHECK(in.I32() == -2);
  CHECK(in.U64() == 0x0123456789abcdefULL);
  CHECK(in.I64() == INT64_MIN);
  CHECK(in.ok());
  CHECK(in.AtEnd());
}

TEST_CASE("what is cut off reads as zero, and so does everything after it") {
  Encoder out;
  out.U8(1).U8(2).U8(3);
  Arena arena;
  Reader in(out.data(), out.size(), arena);
  CHECK(in.U32() == 0);
  CHECK_FALSE(in.ok());
  CHECK(in.U8() == 0);
  CHECK(strcmp(in.String(), "") == 0);
  CHECK(in.Blob().size == 0);
  CHECK(in.List<uint32_t>([](Reader& each) { return each.U32(); }).size == 0);
}

TEST_CASE("an empty message") {
  Arena arena;
  Reader in(nullptr, 0, arena);
  CHECK(in.AtEnd());
  CHECK(in.U8() == 0);
  CHECK_FALSE(in.ok());
}

TEST_CASE("texts end with their only NUL") {
  Arena arena;
  const auto read = [&](Encoder& out) {
    Reader in(out.data(), out.size(), arena);
    const char* text = in.String();
    return in.ok() ? std::string(text) : std::string("refused");
  };
  Encoder good, empty, none, inner, unterminated, no_bytes;
  good.Text("h\xc3\xa9");
  empty.Text("");
  none.Blob("");
  inner.Blob(std::string("a\0b\0", 4));
  unterminated.Blob("abc");
  no_bytes.U32(4);
  CHECK(read(good) == "h\xc3\xa9");
  CHECK(read(empty) == "");
  CHECK(read(none) == "refused");
  CHECK(read(inner) == "refused");
  CHECK(read(unterminated) == "refused");
  CHECK(read(no_bytes) == "refused");
}

TEST_CASE("a length that lies") {
  for (const uint32_t lie : {5U, 0x7fffffffU, 0xfffffffeU, 0xffffffffU}) {
    Encoder out;
    out.U32(lie).U32(0);
    Arena arena;
    Reader blob(out.data(), out.size(), arena);
    CHECK(blob.Blob().data == nullptr);
    CHECK_FALSE(blob.ok());
    Reader list(out.data(), out.size(), arena);
    CHECK(list.List<uint64_t>([](Reader& each) { return each.U64(); }, 2).data == nullptr);
    CHECK_FALSE(list.ok());
  }
}

TEST_CASE("a list is followed by as many empty items as wanted") {
  Encoder out;
  out.U32(2).Text("a").Text("b");
  Arena arena;
  Reader in(out.data(), out.size(), arena);
  const Array<const char*> list = in.List<const char*>([](Reader& each) { return each.String(); }, 2);
  REQUIRE(list.size == 2);
  CHECK(std::string(list[1]) == "b");
  CHECK(list.data[2] == nullptr);
  CHECK(list.data[3] == nullptr);
  std::string all;
  for (const char* item : list) all += item;
  CHECK(all == "ab");
}

TEST_CASE("a list stops at the first item that is broken") {
  Encoder out;
  out.U32(3).Text("a").Blob("no end").Text("c");
  Arena arena;
  Reader in(out.data(), out.size(), arena);
  int asked = 0;
  in.List<const char*>([&](Reader& each) {
    asked++;
    return each.String();
  });
  CHECK(asked == 2);
  CHECK_FALSE(in.ok());
}

TEST_CASE("an arena gives memory that is zeroed and aligned for anything") {
  Arena arena;
  for (uint32_t count = 0; count < 40; count++) {
    auto* block = arena.Make<uint8_t>(count);
    REQUIRE(block != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block) % 16 == 0);
    for (uint32_t i = 0; i < count; i++) CHECK(block[i] == 0);
  }
}

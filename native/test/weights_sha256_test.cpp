// Vectors of FIPS 180-4 (NIST examples) and pieces of every size.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "graph_check.h"
#include "weights/sha256.h"
#include "weights/sha256_blocks.h"

using afterimage::Sha256;

int main() {
  CHECK(Sha256().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256().update("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256().update("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex() ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1'000'000, 'a');
  const std::string expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  CHECK(Sha256().update(million).hex() == expected);
  for (size_t piece : {1, 55, 56, 63, 64, 65, 119, 1000}) {
    Sha256 hash;
    for (size_t at = 0; at < million.size(); at += piece) hash.update(std::string_view(million).substr(at, piece));
    CHECK(hash.hex() == expected);
  }
  // The processor's instructions, which the lines above used where it has them, against plain C++.
  const auto instructions = afterimage::sha256_instructions();
  if (!instructions) std::printf("skipped: this processor or build has no instructions for SHA-256\n");
  std::vector<uint8_t> bytes(64 * 64);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i * 31 + i / 7);
  for (size_t count = 0; instructions && count <= 64; ++count) {
    uint32_t ours[8] = {1, 2, 3, 4, 5, 6, 7, 0xffffffff}, plain[8] = {1, 2, 3, 4, 5, 6, 7, 0xffffffff};
    instructions(ours, bytes.data(), count);
    afterimage::sha256_plain(plain, bytes.data(), count);
    CHECK(std::equal(std::begin(ours), std::end(ours), plain));
  }
  return afterimage::test::finish();
}

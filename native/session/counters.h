// What the engine did since it was loaded, for `doctor`, logs and tests.
#pragma once
#include <cstdint>
#include <string>

namespace afterimage {

struct TierCounters {
  uint64_t hits = 0, misses = 0, evictions = 0;
  uint64_t bytes = 0;  // held now
};

struct Counters {
  TierCounters kv;         // hits and misses in prompt tokens
  TierCounters features;   // in images
  TierCounters snapshots;  // of recurrent state; in restores
  TierCounters disk;       // in files
  uint64_t disk_writes = 0;
  uint64_t disk_skipped = 0;   // not written: the writer is behind, or the folder is full
  uint64_t disk_rejected = 0;  // corrupt, truncated or foreign files met
  std::string disk_problem;    // last reason why a file was not written or not accepted; empty: none

  uint64_t blocks_in_use = 0;     // referenced by the tree or by a request
  uint64_t blocks_leaked = 0;     // still referenced after close(): always 0
  uint64_t bytes_reserved = 0;    // KV promised to admitted requests and not yet allocated
  uint64_t requests_waiting = 0;  // planned, waiting for memory
  uint64_t requests_active = 0;

  uint64_t decoder_runs = 0, prefill_rows = 0, decode_rows = 0;
  uint64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed and run; right, and then among decode_rows
  uint64_t head_drafted = 0, head_accepted = 0;      // of these, those that the model's own head guessed
  uint64_t images_encoded = 0;
  uint64_t tiles_reused = 0;  // of them, instead of being encoded
  uint64_t runs_cancelled = 0;
  double encode_ms = 0, prefill_ms = 0, decode_ms = 0;
  double guess_ms = 0;   // guessing tokens, by the head too, and learning from those that came; not in decode_ms
  double sample_ms = 0;  // taking tokens from rows of logits, grammars included; not in decode_ms
  uint64_t weight_bytes = 0, scratch_bytes = 0;
};

}  // namespace afterimage

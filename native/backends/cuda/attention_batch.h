// A batch of spans as the attention kernels read it: lists made once a pass on the host and uploaded together.
//
// Pages: k and v alike hold, for page p and KV head h, kKvBlock keys of head_dim elements, one row a key, at element
// (p * kv_heads + h) * kKvBlock * head_dim. For k this is not the shape that KvView states (keys transposed) but fits
// the same tensor; only these kernels and whole-page copies look inside. Rows let WriteKv store 16 bytes at a time and
// serve both products of the scores without a transposing load. Stale slots hold finite numbers or zeros: a masked key
// has probability zero, and zero times its value must be zero.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/span_view.h"

namespace rlvr::cuda {

// Rows of a span that one list entry covers; a block takes a part of them, by the size of a group of query heads.
constexpr int kTileRows = 128;
// Spans with at most this many rows are decoded: their keys are split over blocks, and shared ancestors read once.
constexpr int kDecodeRows = 8;
// Pages that a block of the decode kernel goes through: 128 keys are enough work to hide a launch, and few enough that
// one sequence of 1024 keys keeps 8 blocks a KV head busy.
constexpr int kChunkPages = 4;
// A longer span has longer chunks instead of more of them.
constexpr int kMaxChunks = 64;
// Partial results (one row, one chunk) alive at a time; more rows than fit go in waves.
constexpr int kMaxParts = 1024;

// Where a packed row's key goes, and what it sees: its span's keys up to `key`, and all keys of the span's ancestors.
struct alignas(16) RowPlace {
  int32_t span;
  int32_t key;  // own key index in the span
  int32_t position;
  int32_t slot;  // page * kKvBlock + place in the page
};

// Rows [first, first + kTileRows) of a span, as far as it has them.
struct alignas(8) QueryTile {
  int32_t span;
  int32_t first;
};

// The keys of one page of a span, and the rows that see some of them: tree_rows[first_row, end_row).
struct alignas(16) KeyTile {
  int32_t span;
  int32_t page;  // of the span, from 0
  int32_t first_row;
  int32_t end_row;
};

// A chunk of a span's keys and the decoded rows that see it: decode_rows[first_row, first_row + rows). Row i leaves its
// partial result in part first_part + i.
struct alignas(16) DecodeItem {
  int32_t span;
  int32_t first_page, end_page;  // of the span
  int32_t first_row, rows;
  int32_t first_part;
  int32_t first_position;  // of the earliest row
  int32_t unused;
};

// Lists of a batch in device memory.
struct DeviceBatch {
  const Span* spans;
  const int32_t* pages;
  const RowPlace* rows;          // [T]
  const QueryTile* query_tiles;  // those of decoded spans last
  const KeyTile* key_tiles;
  const int32_t* tree_rows;    // packed rows, each span's followed by its descendants'
  const int32_t* decode_rows;  // the same of decoded spans
};

// Decoded rows whose partial results are alive together.
struct DecodeWave {
  const DecodeItem* single_items = nullptr;  // of one row
  const DecodeItem* shared_items = nullptr;  // of several
  int32_t singles = 0, shared = 0;
  int32_t most_rows = 0;                 // of a shared item
  int32_t first_row = 0, rows = 0;       // in decode_rows
  const int32_t* part_starts = nullptr;  // row i combines parts[part_starts[i], part_starts[i + 1])
  const int32_t* parts = nullptr;
};

struct AttentionBatch {
  SpanView view;  // of the caller
  DeviceBatch device{};
  int64_t many_row_tiles = 0;  // the first of query_tiles
  int64_t query_tiles = 0;
  int64_t key_tiles = 0;
  bool has_history = false;  // some keys have no row in the batch
  std::vector<DecodeWave> waves;

  bool Is(const SpanView& other) const {
    return view.spans == other.spans && view.count == other.count && view.pages == other.pages &&
           view.rows == other.rows;
  }
};

// Makes the lists for memory at `device` of `capacity` bytes, and what is to be uploaded there. A batch whose lists do
// not fit is RLVR_UNSUPPORTED_OP.
AttentionBatch PlanAttention(const SpanView& view, std::byte* device, size_t capacity, std::vector<std::byte>& upload);

}  // namespace rlvr::cuda

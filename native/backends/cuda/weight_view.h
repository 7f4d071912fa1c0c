// A packed weight, or some rows of one, as kernels see it.
#pragma once

#include <cstdint>

#include "backends/cuda/weight_layout.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct WeightView {
  const uint8_t* codes = nullptr;  // of the first row; see weight_layout.h
  const uint8_t* high = nullptr;
  const uint8_t* scales = nullptr;
  const uint8_t* supers = nullptr;
  int64_t codes_row = 0;  // bytes from one row to the next
  int64_t high_row = 0;
  int64_t scales_row = 0;
  int64_t supers_row = 0;
  const float* nested = nullptr;  // NF4, of the whole matrix
  const Nf4Tables* tables = nullptr;
  int64_t out = 0;  // rows here
  int64_t in = 0;
};

// Rows [first, first + count) of w.
inline WeightView ViewRows(const PackedWeight& w, int64_t first, int64_t count) {
  RLVR_CHECK(first >= 0 && count >= 0 && first + count <= w.out, "rows ", first, " + ", count, " of ", w.out);
  const WeightLayout layout = LayoutOf(w.dtype, w.out, w.in);
  RLVR_CHECK(w.bytes >= layout.bytes, "a packed weight of ", w.bytes, " bytes, needs ", layout.bytes);
  const auto rows_of = [&](const WeightPlane& plane) {
    return reinterpret_cast<const uint8_t*>(w.data) + plane.offset + static_cast<size_t>(first) * plane.row_bytes;
  };
  WeightView view;
  view.codes = rows_of(layout.codes);
  view.high = rows_of(layout.high);
  view.scales = rows_of(layout.scales);
  view.supers = rows_of(layout.supers);
  view.codes_row = static_cast<int64_t>(layout.codes.row_bytes);
  view.high_row = static_cast<int64_t>(layout.high.row_bytes);
  view.scales_row = static_cast<int64_t>(layout.scales.row_bytes);
  view.supers_row = static_cast<int64_t>(layout.supers.row_bytes);
  view.nested = reinterpret_cast<const float*>(w.data + layout.nested_offset);
  view.tables = reinterpret_cast<const Nf4Tables*>(w.data + layout.tables_offset);
  view.out = count;
  view.in = w.in;
  return view;
}

inline WeightView ViewOf(const PackedWeight& w) { return ViewRows(w, 0, w.out); }

}  // namespace rlvr::cuda

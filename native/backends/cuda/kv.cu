// WriteKv: rows of keys and values go to their places in the pages, 16 bytes a thread.
#include "backends/cuda/attention_args.h"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kVector = 8;  // elements in 16 bytes

struct WriteArgs {
  Rows k, v;
  void* k_pages;
  void* v_pages;
  const RowPlace* places;
  int rows;
  int heads;
  int dim;
};

DEVICE uint32_t Narrowed(uint32_t low, uint32_t high) {
  return ToFp8(LowBf16(low)) | ToFp8(HighBf16(low)) << 8 | ToFp8(LowBf16(high)) << 16 |
         static_cast<uint32_t>(ToFp8(HighBf16(high))) << 24;
}

DEVICE void Put(Bf16* to, const uint4& v) { StoreGlobal(reinterpret_cast<uint4*>(to), v); }
DEVICE void Put(uint8_t* to, const uint4& v) {
  StoreGlobal(reinterpret_cast<uint2*>(to), make_uint2(Narrowed(v.x, v.y), Narrowed(v.z, v.w)));
}

template <typename Kv>
KERNEL(kThreads)
Write(WriteArgs args) {
  const int width = args.heads * args.dim;
  const int row = blockIdx.x, column = (blockIdx.y * kThreads + threadIdx.x) * kVector;
  if (column >= width) return;
  const int slot = LoadGlobal(&args.places[row].slot);
  const int64_t page_head = slot / static_cast<int>(kKvBlock) * int64_t{args.heads} + column / args.dim;
  const int64_t to = (page_head * kKvBlock + slot % kKvBlock) * args.dim + column % args.dim;
  const uint4 key = LoadGlobal(reinterpret_cast<const uint4*>(args.k.data + row * args.k.stride + column));
  const uint4 value = LoadGlobal(reinterpret_cast<const uint4*>(args.v.data + row * args.v.stride + column));
  Put(static_cast<Kv*>(args.k_pages) + to, key);
  Put(static_cast<Kv*>(args.v_pages) + to, value);
}

}  // namespace

void LaunchWriteKv(const Rows& k, const Rows& v, const KvView& kv, bool is_fp8, const AttentionBatch& batch,
                   cudaStream_t stream) {
  const WriteArgs args = {k,
                          v,
                          kv.k.data(),
                          kv.v.data(),
                          batch.device.rows,
                          static_cast<int>(batch.view.rows),
                          static_cast<int>(kv.kv_heads),
                          static_cast<int>(kv.head_dim)};
  const int64_t vectors = kv.kv_heads * kv.head_dim / kVector;
  const LaunchShape shape = {
      dim3(static_cast<unsigned>(batch.view.rows), static_cast<unsigned>((vectors + kThreads - 1) / kThreads)),
      dim3(kThreads)};
  Launch("write_kv", is_fp8 ? Write<uint8_t> : Write<Bf16>, shape, stream, args);
}

}  // namespace rlvr::cuda

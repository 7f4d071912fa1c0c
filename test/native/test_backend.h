// A backend with its pool and workspace, ready for any case.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.h"
#include "op_cases/op_case.h"

namespace rlvr::test {

// The logits chunk is small, so that the large-vocabulary cases need several.
constexpr WorkspaceLimits kTestLimits = {.max_rows = 256,
                                         .max_in = 2048,
                                         .max_out = 2048,
                                         .vocab = 8192,
                                         .dim = 2048,
                                         .max_head_rows = 256,
                                         .max_rank = 64,
                                         .head_dim = 256,
                                         .heads = 16,
                                         .head_chunk_bytes = 128u << 10};

class TestBackend {
 public:
  // isa: one of CpuIsas() for "cpu", or "" for the fastest.
  explicit TestBackend(const std::string& name, int threads = 1, const std::string& isa = "") : pool_(threads) {
    if (!isa.empty()) setenv("RLVR_CPU_ISA", isa.c_str(), 1);
    ops_ = CreateBackend(name, pool_);
    if (!isa.empty()) unsetenv("RLVR_CPU_ISA");
    bytes_ = std::max<size_t>(ops_->WorkspaceBytes(kTestLimits), 1);
    workspace_ = ops_->memory().Allocate(bytes_, false);
    ops_->SetWorkspace(kTestLimits, workspace_, bytes_);
  }
  ~TestBackend() { ops_->memory().Free(workspace_, bytes_); }
  TestBackend(const TestBackend&) = delete;
  TestBackend& operator=(const TestBackend&) = delete;
  Ops& operator*() const { return *ops_; }
  Ops* operator->() const { return ops_.get(); }

 private:
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  std::byte* workspace_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace rlvr::test

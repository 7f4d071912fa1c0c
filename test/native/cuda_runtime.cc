// The runtime API of the emulated card: memory that only the card may touch, copies, graphs, faults.
#include <csignal>

#include "cuda_emulator_kernels.h"
#include "cuda_support.h"
#include "test.h"

namespace rlvr::test {
namespace {

using cuda::emulator::Fault;

// The error of a call, by name.
std::string Name(cudaError_t error) {
  cudaGetLastError();
  return cudaGetErrorName(error);
}

TEST("cuda runtime: host code that touches device memory crashes, before, between and after kernels") {
  const auto touches = [](bool write) {
    return RunInChild([write] {
      const DeviceArray<float> x(std::vector<float>(256, 1.0f));
      DeviceArray<float> y(256);
      cuda::LaunchScale(x.data(), y.data(), 2.0f, 256);
      if (y.Download()[0] != 2.0f) std::exit(9);
      if (write) {
        *const_cast<volatile float*>(y.data()) = 1.0f;
      } else if (*const_cast<volatile float*>(x.data()) == 1.0f) {
        std::exit(8);
      }
    });
  };
  for (const bool write : {false, true}) {
    const ChildResult child = touches(write);
    // A sanitizer turns the signal into a report.
    const bool reported = child.errors.find("SEGV") != std::string::npos;
    EXPECT(child.signal == SIGSEGV || reported);
  }
  SettingsScope settings;
  settings->protect_device_memory = false;
  EXPECT_EQ(touches(false).exit_status, 8);
}

TEST("cuda runtime: fresh device memory reads as NaN, and copies round") {
  DeviceArray<float> x(1000);
  for (const float value : x.Download()) EXPECT(std::isnan(value));
  RLVR_CUDA_CHECK(cudaMemset(x.data(), 0, 400));
  std::vector<float> values(1000);
  for (size_t i = 0; i < 1000; ++i) values[i] = static_cast<float>(i);
  EXPECT_EQ(x.Download()[99], 0.0f);
  EXPECT(std::isnan(x.Download()[100]));
  x.Upload(values);
  DeviceArray<float> y(1000);
  RLVR_CUDA_CHECK(cudaMemcpy(y.data(), x.data(), 4000, cudaMemcpyDeviceToDevice));
  EXPECT_EQ(y.Download(), values);
}

TEST("cuda runtime: a copy with a pointer of the wrong kind, or past an allocation, names the call and the end") {
  DeviceArray<float> x(64);
  std::vector<float> host(64);
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemcpy(x.data(), host.data(), 256, cudaMemcpyDeviceToHost)), ErrorCode::kCuda,
                    "cudaMemcpy(x.data(), host.data(), 256, cudaMemcpyDeviceToHost) at cuda_runtime.cc:");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemcpy(x.data(), host.data(), 256, cudaMemcpyDeviceToHost)), ErrorCode::kCuda,
                    "is device memory, not the host's");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemcpy(host.data(), host.data(), 256, cudaMemcpyDeviceToHost)),
                    ErrorCode::kCuda, "the source");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemcpy(host.data(), x.data(), 256, cudaMemcpyHostToDevice)), ErrorCode::kCuda,
                    "is not device memory");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemcpy(x.data() + 1, host.data(), 256, cudaMemcpyHostToDevice)),
                    ErrorCode::kCuda, "pass the end of their allocation");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMemset(host.data(), 0, 256)), ErrorCode::kCuda, "is not device memory");
  RLVR_CUDA_CHECK(cudaMemcpy(x.data(), host.data(), 256, cudaMemcpyDefault));
}

TEST("cuda runtime: memory is counted, limited, aligned, reused, and freed once") {
  SettingsScope settings;
  size_t free_before = 0, total = 0, free_after = 0;
  RLVR_CUDA_CHECK(cudaMemGetInfo(&free_before, &total));
  EXPECT_EQ(total, size_t{24} << 30);
  std::byte *a = nullptr, *b = nullptr;
  RLVR_CUDA_CHECK(cudaMalloc(&a, 1000));
  RLVR_CUDA_CHECK(cudaMalloc(&b, 3));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b) % 256, 0u);
  RLVR_CUDA_CHECK(cudaMemGetInfo(&free_after, &total));
  EXPECT_EQ(free_before - free_after, 1003u);
  settings->memory_bytes = total - free_after + 100;
  std::byte* c = nullptr;
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMalloc(&c, 101)), ErrorCode::kOutOfMemory, "101 bytes asked");
  RLVR_CUDA_CHECK(cudaMalloc(&c, 100));
  RLVR_CUDA_CHECK(cudaFree(a));
  EXPECT_EQ(Name(cudaFree(a)), "cudaErrorInvalidValue");
  EXPECT_EQ(Name(cudaFree(b + 1)), "cudaErrorInvalidValue");
  std::byte* again = nullptr;
  RLVR_CUDA_CHECK(cudaMalloc(&again, 900));
  EXPECT(again == a);
  for (std::byte* memory : {again, b, c}) RLVR_CUDA_CHECK(cudaFree(memory));
  RLVR_CUDA_CHECK(cudaMemGetInfo(&free_after, &total));
  EXPECT_EQ(free_after, 1103u);
}

TEST("cuda runtime: page-locked memory is the host's, and kernels may read it") {
  float* pinned = nullptr;
  RLVR_CUDA_CHECK(cudaMallocHost(&pinned, 64 * sizeof(float)));
  for (int i = 0; i < 64; ++i) pinned[i] = static_cast<float>(i);
  DeviceArray<float> y(64);
  cuda::LaunchScale(pinned, y.data(), 2.0f, 64);
  EXPECT_EQ(y.Download()[63], 126.0f);
  RLVR_CUDA_CHECK(cudaFreeHost(pinned));
  EXPECT_EQ(Name(cudaFreeHost(pinned)), "cudaErrorInvalidValue");
}

TEST("cuda runtime: the card's properties are those of sm_89") {
  cudaDeviceProp card;
  RLVR_CUDA_CHECK(cudaGetDeviceProperties(&card, 0));
  EXPECT_EQ(std::string(card.name), "emulated");
  EXPECT_EQ(card.major * 10 + card.minor, 89);
  EXPECT_EQ(card.totalGlobalMem, size_t{24} << 30);
  EXPECT_EQ(card.sharedMemPerBlockOptin, size_t{99} << 10);
  EXPECT_EQ(Name(cudaSetDevice(1)), "cudaErrorInvalidDevice");
}

TEST("cuda runtime: without a card, or with an old driver, every call says so") {
  SettingsScope settings;
  settings->fault = Fault::kNoDevice;
  int count = 7;
  EXPECT_EQ(Name(cudaGetDeviceCount(&count)), "cudaErrorNoDevice");
  EXPECT_EQ(count, 0);
  void* memory = nullptr;
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMalloc(&memory, 1)), ErrorCode::kCuda, "Use the cpu backend");
  settings->fault = Fault::kOldDriver;
  EXPECT_EQ(Name(cudaGetDeviceCount(&count)), "cudaErrorInsufficientDriver");
  EXPECT_THROW_CODE(RLVR_CUDA_CHECK(cudaMalloc(&memory, 1)), ErrorCode::kCuda, "Install a newer NVIDIA driver");
  int driver = 0, runtime = 0;
  RLVR_CUDA_CHECK(cudaDriverGetVersion(&driver));
  RLVR_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  EXPECT(driver < runtime);
  EXPECT_THROW_CODE(cuda::LaunchScale(nullptr, nullptr, 1.0f, 8), ErrorCode::kCuda, "driver version is insufficient");
}

TEST("cuda runtime: events take times, and stale handles are errors") {
  cudaEvent_t start, stop;
  RLVR_CUDA_CHECK(cudaEventCreate(&start));
  RLVR_CUDA_CHECK(cudaEventCreate(&stop));
  float milliseconds = -1.0f;
  EXPECT_EQ(Name(cudaEventElapsedTime(&milliseconds, start, stop)), "cudaErrorInvalidResourceHandle");
  RLVR_CUDA_CHECK(cudaEventRecord(start));
  RLVR_CUDA_CHECK(cudaEventRecord(stop));
  RLVR_CUDA_CHECK(cudaEventSynchronize(stop));
  RLVR_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start, stop));
  EXPECT(milliseconds >= 0.0f);
  RLVR_CUDA_CHECK(cudaEventDestroy(start));
  EXPECT_EQ(Name(cudaEventRecord(start)), "cudaErrorInvalidResourceHandle");
  RLVR_CUDA_CHECK(cudaEventDestroy(stop));
}

// A stream, captured or not, that ends with the test.
class Stream {
 public:
  Stream() { RLVR_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }
  void Begin() { RLVR_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal)); }
  cudaGraph_t End() {
    cudaGraph_t graph = nullptr;
    RLVR_CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    return graph;
  }

 private:
  cudaStream_t stream_ = nullptr;
};

TEST("cuda runtime: a captured graph runs nothing until it is launched, then everything each time") {
  Stream stream;
  float* pinned = nullptr;
  RLVR_CUDA_CHECK(cudaMallocHost(&pinned, 64 * sizeof(float)));
  std::fill(pinned, pinned + 64, 1.0f);
  DeviceArray<float> x(64), y(64);
  cuda::emulator::ResetCounters();
  stream.Begin();
  RLVR_CUDA_CHECK(cudaMemcpyAsync(x.data(), pinned, 256, cudaMemcpyHostToDevice, stream));
  RLVR_CUDA_CHECK(cudaMemsetAsync(y.data(), 0, 256, stream));
  float factor = 2.0f;
  cuda::LaunchScale(x.data(), y.data(), factor, 64, stream);
  factor = 100.0f;  // the argument was taken by value
  cuda::LaunchScale(y.data(), y.data(), 10.0f, 64, stream);
  const cudaGraph_t graph = stream.End();
  EXPECT_EQ(cuda::emulator::TotalCounters().launches, 0u);
  EXPECT(std::isnan(y.Download()[0]));

  cudaGraphExec_t executable;
  RLVR_CUDA_CHECK(cudaGraphInstantiate(&executable, graph));
  RLVR_CUDA_CHECK(cudaGraphDestroy(graph));
  RLVR_CUDA_CHECK(cudaGraphLaunch(executable, stream));
  EXPECT_EQ(y.Download()[63], 20.0f);
  std::fill(pinned, pinned + 64, 3.0f);  // page-locked memory is read when the graph runs
  RLVR_CUDA_CHECK(cudaGraphLaunch(executable, stream));
  EXPECT_EQ(y.Download()[63], 60.0f);
  EXPECT_EQ(cuda::emulator::CountersOf("scale").launches, 4u);

  // The same work with other arguments is an update; other work is not.
  stream.Begin();
  RLVR_CUDA_CHECK(cudaMemcpyAsync(x.data(), pinned, 256, cudaMemcpyHostToDevice, stream));
  RLVR_CUDA_CHECK(cudaMemsetAsync(y.data(), 0, 256, stream));
  cuda::LaunchScale(x.data(), y.data(), 5.0f, 64, stream);
  cuda::LaunchScale(y.data(), y.data(), 1.0f, 64, stream);
  const cudaGraph_t other = stream.End();
  cudaGraphExecUpdateResultInfo info;
  RLVR_CUDA_CHECK(cudaGraphExecUpdate(executable, other, &info));
  RLVR_CUDA_CHECK(cudaGraphLaunch(executable, stream));
  EXPECT_EQ(y.Download()[63], 15.0f);
  stream.Begin();
  cuda::LaunchSoftmax(x.data(), y.data(), 1, 64, stream);
  const cudaGraph_t different = stream.End();
  EXPECT_EQ(Name(cudaGraphExecUpdate(executable, different, &info)), "cudaErrorGraphExecUpdateFailure");
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorTopologyChanged);
  for (const cudaGraph_t each : {other, different}) RLVR_CUDA_CHECK(cudaGraphDestroy(each));
  RLVR_CUDA_CHECK(cudaGraphExecDestroy(executable));
  EXPECT_EQ(Name(cudaGraphLaunch(executable, stream)), "cudaErrorInvalidResourceHandle");
  RLVR_CUDA_CHECK(cudaFreeHost(pinned));
}

TEST("cuda runtime: what capture forbids is refused and spoils the capture") {
  DeviceArray<float> x(64);
  std::vector<float> host(64);
  Stream stream;
  const auto spoils = [&](const char* name, auto call) {
    stream.Begin();
    EXPECT_EQ(Name(call()), std::string(name));
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(Name(cudaStreamEndCapture(stream, &graph)), "cudaErrorStreamCaptureInvalidated");
    EXPECT(graph == nullptr);
  };
  void* memory = nullptr;
  spoils("cudaErrorStreamCaptureUnsupported", [&] { return cudaMalloc(&memory, 8); });
  spoils("cudaErrorStreamCaptureUnsupported", [&] { return cudaStreamSynchronize(stream); });
  spoils("cudaErrorStreamCaptureUnsupported", [&] { return cudaDeviceSynchronize(); });
  spoils("cudaErrorStreamCaptureUnsupported",
         [&] { return cudaMemcpy(host.data(), x.data(), 256, cudaMemcpyDeviceToHost); });
  spoils("cudaErrorStreamCaptureImplicit", [&] { return cudaMemsetAsync(x.data(), 0, 256); });
  spoils("cudaErrorStreamCaptureUnsupported", [&] {
    return cudaMemcpyAsync(x.data(), host.data(), 256, cudaMemcpyHostToDevice, stream);  // host memory not page-locked
  });
  EXPECT_EQ(Name(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal)), "cudaErrorStreamCaptureUnsupported");
}

}  // namespace
}  // namespace rlvr::test

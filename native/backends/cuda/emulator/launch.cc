#include "backends/cuda/emulator/launch.h"

#include "backends/cuda/emulator/block.h"
#include "backends/cuda/emulator/device_memory.h"
#include "backends/cuda/emulator/stream.h"
#include "core/error.h"

namespace rlvr::cuda::emulator {

namespace {

// Limits of every card since sm_30.
constexpr unsigned kMaxThreads = 1024, kMaxBlockZ = 64, kMaxGridX = 0x7fffffffu, kMaxGridYZ = 65535;

std::string Shape(const dim3& size) { return Concat(size.x, " x ", size.y, " x ", size.z); }

[[noreturn]] void Refuse(const KernelLaunch& launch, const std::string& why) {
  throw Error(ErrorCode::kCuda, Concat("[cuda emulator] kernel ", launch.name, ": ", why));
}

void CheckShape(const KernelLaunch& launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads < 1 || threads > kMaxThreads || block.z > kMaxBlockZ) {
    Refuse(launch, Concat("a block of ", Shape(block), " threads; at most ", kMaxThreads, ", ", kMaxBlockZ, " in z"));
  }
  if (grid.x > kMaxGridX || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ) {
    Refuse(launch,
           Concat("a grid of ", Shape(grid), " blocks; at most ", kMaxGridX, " in x and ", kMaxGridYZ, " in y and z"));
  }
  const size_t most = CurrentSettings().shared_bytes_per_block;
  if (launch.shared_bytes > most) {
    Refuse(launch, Concat(launch.shared_bytes, " bytes of shared memory; a block has at most ", most));
  }
}

void RunGrid(const KernelLaunch& launch, const std::function<void()>& body) {
  const OpenDeviceMemory open;
  Block& block = RunningBlock();
  block.counters = Counters();
  block.counters.launches = 1;
  grid_size = launch.grid;
  std::string error;
  try {
    for (unsigned z = 0; z < launch.grid.z; ++z) {
      for (unsigned y = 0; y < launch.grid.y; ++y) {
        for (unsigned x = 0; x < launch.grid.x; ++x) {
          block.Run(dim3(x, y, z), launch.block, launch.shared_bytes, body);
        }
      }
    }
  } catch (const std::string& what) {
    error = what;
  }
  block.EndLaunch();
  AddCounters(launch.name, block.counters);
  if (!error.empty()) Refuse(launch, error);
}

}  // namespace

void LaunchKernel(KernelLaunch launch, std::function<void()> body, cudaStream_t stream) {
  const DeviceLock lock;
  CheckShape(launch);
  GraphNode node{GraphNode::Kind::kKernel, launch.kernel, launch.name, nullptr};
  node.run = [launch = std::move(launch), body = std::move(body)] { RunGrid(launch, body); };
  const cudaError_t error = Submit(stream, std::move(node));
  if (error != cudaSuccess) {
    throw Error(ErrorCode::kCuda, Concat("[cuda emulator] a launch failed: ", cudaGetErrorString(error)));
  }
}

}  // namespace rlvr::cuda::emulator

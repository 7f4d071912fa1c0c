// What the addon exports. src/native/binding.ts declares the same for TypeScript.
#include <napi.h>

#include "backends/backend.h"
#include "backends/cuda_library.h"
#include "binding/arguments.h"
#include "binding/native_policy.h"
#include "binding/promise_worker.h"
#include "binding/results.h"

namespace rlvr::binding {

namespace {
// setErrorClass(class RlvrError): how native errors look in this environment.
void SetErrorClass(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "[addon] setErrorClass expects a class.");
  info.Env().GetInstanceData<AddonData>()->error_class = Napi::Persistent(info[0].As<Napi::Function>());
}

// cancel(jobId): asks a running job to stop; nothing for one that has ended.
void Cancel(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->jobs->Cancel(ReadJobId(info[0]));
}

// backends(): the names that options.device takes.
Napi::Value Backends(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return ToJs(info.Env(), BackendNames()); });
}

// cpuIsas(): instruction sets that the cpu backend can use here, fastest last.
Napi::Value Isas(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return ToJs(info.Env(), CpuIsas()); });
}

// cudaStatus(emulated): what the CUDA library finds on this machine, or what is missing.
Napi::Value Cuda(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] {
    const bool emulated = info[0].IsBoolean() && info[0].As<Napi::Boolean>().Value();
    return ToJs(info.Env(), InspectCuda(emulated ? CudaLibrary::kEmulated : CudaLibrary::kCuda));
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData;
  env.SetInstanceData(data);
  // Hooks run before the finalizers of running jobs wait for them, so all jobs are told to stop at once.
  env.AddCleanupHook([jobs = data->jobs] { jobs->CancelAll(); });
  const Napi::Function policy_class = NativePolicy::DefineClass(env);
  data->policy_class = Napi::Persistent(policy_class);
  exports.Set("NativePolicy", policy_class);
  exports.Set("load", Napi::Function::New<NativePolicy::Load>(env, "load"));
  exports.Set("plan", Napi::Function::New<NativePolicy::Plan>(env, "plan"));
  exports.Set("cancel", Napi::Function::New<Cancel>(env, "cancel"));
  exports.Set("setErrorClass", Napi::Function::New<SetErrorClass>(env, "setErrorClass"));
  exports.Set("backends", Napi::Function::New<Backends>(env, "backends"));
  exports.Set("cudaStatus", Napi::Function::New<Cuda>(env, "cudaStatus"));
  exports.Set("cpuIsas", Napi::Function::New<Isas>(env, "cpuIsas"));
  return exports;
}
}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)

}  // namespace rlvr::binding

// Plain structs to JavaScript values; arrays are allocated by JavaScript and filled here. Runs on the JavaScript
// thread.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "backends/cuda_library.h"
#include "engine.h"

namespace rlvr::binding {

Napi::Value ToJs(Napi::Env env, const ModelInfo& info);
Napi::Value ToJs(Napi::Env env, const MemoryReport& memory);
Napi::Value ToJs(Napi::Env env, const ZoneTrace& trace);
Napi::Value ToJs(Napi::Env env, const MemoryPlan& plan);
Napi::Value ToJs(Napi::Env env, const PlanResult& result);
Napi::Value ToJs(Napi::Env env, const GenerateResult& result);
Napi::Value ToJs(Napi::Env env, const ScoreResult& result);
Napi::Value ToJs(Napi::Env env, const ChoicesResult& result);
Napi::Value ToJs(Napi::Env env, const AccumulateResult& result);
Napi::Value ToJs(Napi::Env env, const UpdateResult& result);
Napi::Value ToJs(Napi::Env env, const CudaStatus& status);
Napi::Value ToJs(Napi::Env env, const std::vector<std::string>& strings);
Napi::Value ToJs(Napi::Env env, const std::vector<double>& values);  // a Float64Array

}  // namespace rlvr::binding

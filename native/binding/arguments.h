// JavaScript values to plain structs, checked. Runs on the JavaScript thread; a wrong value throws TypeError or
// RangeError that names the argument.
#pragma once

#include <napi.h>

#include <string>

#include "engine.h"

namespace rlvr::binding {

LoadOptions ReadLoadOptions(const Napi::Value& value);
Workload ReadWorkload(const Napi::Value& value);
GenerateRequest ReadGenerateRequest(const Napi::Value& value);
ScoreRequest ReadScoreRequest(const Napi::Value& value);
ChoicesRequest ReadChoicesRequest(const Napi::Value& value);
AccumulateRequest ReadAccumulateRequest(const Napi::Value& value);
UpdateRequest ReadUpdateRequest(const Napi::Value& value);

// A path, or "" for null.
std::string ReadPathOrNull(const Napi::Value& value, const std::string& name);
std::string ReadString(const Napi::Value& value, const std::string& name);
std::vector<double> ReadDoubles(const Napi::Value& value, const std::string& name);
DType ReadFloatType(const Napi::Value& value, const std::string& name);
// A whole number that fits a double exactly.
int64_t ReadInteger(const Napi::Value& value, const std::string& name);
// The id that JavaScript gave a job: a whole number from 0.
int64_t ReadJobId(const Napi::Value& value);
// A function, or empty for undefined.
Napi::Function ReadCallback(const Napi::Value& value, const std::string& name);

}  // namespace rlvr::binding

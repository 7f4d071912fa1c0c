#include "model/arch/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/arch/common.h"
#include "quant/codec.h"

namespace rlvr {

namespace {

constexpr double kMaxFactor = 1e6;

// Llama 3.1: long waves are slowed by `factor`, short ones kept, the ones between interpolated. F32 throughout.
void ScaleLlama3(const JsonFields& rope, int64_t context, std::vector<float>& inv_freq) {
  const auto factor = static_cast<float>(rope.Number("factor", 1, kMaxFactor));
  const double low = rope.Number("low_freq_factor", 1e-3, kMaxFactor);
  const double high = rope.Number("high_freq_factor", 1e-3, kMaxFactor);
  const auto original = static_cast<double>(rope.Int("original_max_position_embeddings", 1, kMaxContext, context));
  if (high <= low && !rope.HasProblems()) rope.Problem("high_freq_factor", "is not above low_freq_factor");
  const auto longest = static_cast<float>(original / low);
  const auto shortest = static_cast<float>(original / high);
  for (float& f : inv_freq) {
    const float wave = static_cast<float>(2 * std::numbers::pi) / f;
    if (wave < shortest) continue;
    if (wave > longest) {
      f = f / factor;
      continue;
    }
    const float smooth =
        (static_cast<float>(original) / wave - static_cast<float>(low)) / static_cast<float>(high - low);
    f = (1.0f - smooth) * f / factor + smooth * f;
  }
}

RopeSpec LongRope(double base, const std::vector<double>& short_factors, double attention_factor, DecoderSpec& spec) {
  RopeSpec result;
  result.attention_factor = static_cast<float>(attention_factor);
  const auto half = static_cast<size_t>(spec.rotary_dim / 2);
  for (size_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(spec.rotary_dim);
    const auto power = static_cast<float>(std::pow(base, static_cast<double>(exponent)));
    const float factor = i < short_factors.size() ? static_cast<float>(short_factors[i]) : 1.0f;
    result.inv_freq.push_back(1.0f / (factor * power));
  }
  return result;
}

[[noreturn]] void Unsupported(const JsonFields& fields, const std::string& type) {
  throw Error(ErrorCode::kUnsupported,
              Concat(fields.place(), ": rope type \"", Excerpt(type),
                     "\" is not supported; default, linear, llama3 and longrope are. Choose another "
                     "model."));
}

// The factors of a tensor [rotary_dim / 2], which divide the frequencies.
std::vector<double> FactorTensor(const JsonFields& meta, const SourceTensor& tensor, int64_t half) {
  int64_t count = 1;
  for (const int64_t dim : tensor.shape) count *= dim;
  std::vector<float> values(static_cast<size_t>(half), 1.0f);
  if (count != half || tensor.dtype == DType::kI32) {
    meta.Problem(tensor.name, Concat("has ", count, " values of type ", Info(tensor.dtype).name, "; ", half,
                                     " floating-point values were expected"));
  } else {
    DequantizeRow(tensor.dtype, tensor.data, half, values.data());
  }
  for (float& value : values) {
    if (!(value > 0 && value <= kMaxFactor)) {
      meta.Problem(tensor.name, Concat("has the factor ", value, "; a positive number was expected"));
      value = 1;
    }
  }
  return {values.begin(), values.end()};
}

}  // namespace

std::vector<float> InverseFrequencies(double base, int64_t rotary_dim) {
  std::vector<float> inv_freq;
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary_dim);
    inv_freq.push_back(1.0f / static_cast<float>(std::pow(base, static_cast<double>(exponent))));
  }
  return inv_freq;
}

RopeSpec ReadConfigRope(const JsonFields& rope, double base, DecoderSpec& spec, int64_t original_context) {
  const std::string type = rope.String("rope_type", rope.String("type", "default"));
  base = rope.Number("rope_theta", 1, 1e12, base);
  if (type == "longrope" || type == "su") {
    const auto half = spec.rotary_dim / 2;
    const std::vector<double> factors = rope.Numbers("short_factor", 1e-6, kMaxFactor, half);
    if (!rope.Has("short_factor"))
      rope.Problem("short_factor", Concat("is missing; expected an array of ", half, " numbers"));
    const int64_t inside = rope.Int("original_max_position_embeddings", 2, kMaxContext, spec.context);
    const int64_t original = original_context > 1 ? original_context : inside;
    const double factor =
        rope.Number("factor", 0, kMaxFactor, static_cast<double>(spec.context) / static_cast<double>(original));
    const double published =
        factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original)));
    const double attention_factor = rope.Number("attention_factor", 0, kMaxFactor, published);
    spec.context = std::min(spec.context, original);
    return LongRope(base, factors, attention_factor, spec);
  }
  RopeSpec result;
  result.inv_freq = InverseFrequencies(base, spec.rotary_dim);
  if (type == "linear") {
    const auto factor = static_cast<float>(rope.Number("factor", 1e-3, kMaxFactor));
    for (float& f : result.inv_freq) f /= factor;
  } else if (type == "llama3") {
    ScaleLlama3(rope, spec.context, result.inv_freq);
  } else if (type != "default") {
    Unsupported(rope, type);
  }
  return result;
}

RopeSpec ReadGgufRope(const JsonFields& meta, const TensorSource& source, double base, DecoderSpec& spec) {
  base = meta.Number("rope.freq_base", 1, 1e12, base);
  const std::string type = meta.String("rope.scaling.type", "none");
  const SourceTensor* short_factors = source.Find("rope_factors_short.weight");
  if (short_factors != nullptr) {
    const double attention_factor = meta.Number("rope.scaling.attn_factor", 0, kMaxFactor, 1.0);
    const std::vector<double> factors = FactorTensor(meta, *short_factors, spec.rotary_dim / 2);
    spec.context =
        std::min(spec.context, meta.Int("rope.scaling.original_context_length", 2, kMaxContext, spec.context));
    return LongRope(base, factors, attention_factor, spec);
  }
  RopeSpec result;
  result.inv_freq = InverseFrequencies(base, spec.rotary_dim);
  if (type == "linear") {
    const auto factor = static_cast<float>(meta.Number("rope.scaling.factor", 1e-3, kMaxFactor));
    for (float& f : result.inv_freq) f /= factor;
  } else if (type != "none") {
    Unsupported(meta, type);
  }
  const SourceTensor* factors = source.Find("rope_freqs.weight");
  if (factors != nullptr) {
    const std::vector<double> values = FactorTensor(meta, *factors, spec.rotary_dim / 2);
    for (size_t i = 0; i < values.size() && i < result.inv_freq.size(); ++i) {
      result.inv_freq[i] /= static_cast<float>(values[i]);
    }
  }
  return result;
}

}  // namespace rlvr

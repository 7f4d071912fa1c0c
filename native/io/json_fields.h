// Typed, bounded reading of a JSON object's fields. Every wrong field is noted; Finish() reports all of them at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"

namespace rlvr {

// null counts as absent. A wrong or missing field gives its default (or the smallest allowed value) and one line in the
// report, so reading goes on to the next field.
class JsonFields {
 public:
  // `place` as in Json::Parse. The object must outlive the reader.
  JsonFields(const Json& object, std::string place);

  bool Has(const std::string& key) const;
  int64_t Int(const std::string& key, int64_t least, int64_t most, std::optional<int64_t> fallback = {}) const;
  double Number(const std::string& key, double least, double most, std::optional<double> fallback = {}) const;
  bool Bool(const std::string& key, std::optional<bool> fallback = {}) const;
  std::string String(const std::string& key, std::optional<std::string> fallback = {}) const;
  // Arrays: exactly `count` entries when count >= 0. Absent: empty.
  std::vector<double> Numbers(const std::string& key, double least, double most, int64_t count = -1) const;
  std::vector<std::string> Strings(const std::string& key, int64_t count = -1) const;
  // An integer or an array of integers. Absent: empty.
  std::vector<int64_t> IntOrInts(const std::string& key, int64_t least, int64_t most) const;
  // The nested object; an empty one when absent.
  JsonFields Object(const std::string& key) const;
  const Json* Find(const std::string& key) const;
  std::vector<std::string> Keys() const;

  // Notes a problem of a field: "num_attention_heads: 7 heads do not divide by 2 key/value heads".
  void Problem(const std::string& key, const std::string& what) const;
  // Throws RLVR_BAD_CHECKPOINT with every problem noted here and in nested objects, if there is any.
  void Finish() const;
  bool HasProblems() const { return !problems_->empty(); }
  const std::string& place() const { return place_; }

 private:
  JsonFields(const Json* object, std::string place, std::string prefix,
             std::shared_ptr<std::vector<std::string>> problems);
  void Wrong(const std::string& key, const Json* came, const std::string& expected) const;

  const Json* object_;
  std::string place_;
  std::string prefix_;  // "text_config." inside that object
  std::shared_ptr<std::vector<std::string>> problems_;
};

}  // namespace rlvr

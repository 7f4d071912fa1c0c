#include "io/json_fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rlvr {

namespace {

const Json& EmptyObject() {
  static const Json empty = Json::Object({});
  return empty;
}

// Edits (insert, delete, replace) between two short strings.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The key of the object nearest to a missing one, or "".
std::string NearestKey(const Json& object, const std::string& wanted) {
  std::string nearest;
  size_t least = wanted.size() / 4 + 2;  // further away it is another word
  for (const Json::Member& member : object.members()) {
    if (member.first.size() > 100) continue;
    const size_t distance = EditDistance(member.first, wanted);
    if (distance < least) {
      least = distance;
      nearest = member.first;
    }
  }
  return nearest;
}

std::string Range(const std::string& noun, double least, double most) {
  return Concat(noun, " from ", Json::Number(least).Dump(), " to ", Json::Number(most).Dump());
}

}  // namespace

JsonFields::JsonFields(const Json& object, std::string place)
    : JsonFields(&object, std::move(place), "", std::make_shared<std::vector<std::string>>()) {}

JsonFields::JsonFields(const Json* object, std::string place, std::string prefix,
                       std::shared_ptr<std::vector<std::string>> problems)
    : object_(object), place_(std::move(place)), prefix_(std::move(prefix)), problems_(std::move(problems)) {
  if (object_->is_object()) return;
  problems_->push_back(Concat(prefix_.empty() ? "the text" : prefix_.substr(0, prefix_.size() - 1), " is ",
                              Describe(*object_), "; an object was expected"));
  object_ = &EmptyObject();
}

const Json* JsonFields::Find(const std::string& key) const {
  const Json* value = object_->Find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool JsonFields::Has(const std::string& key) const { return Find(key) != nullptr; }

std::vector<std::string> JsonFields::Keys() const {
  std::vector<std::string> keys;
  for (const Json::Member& member : object_->members()) keys.push_back(member.first);
  return keys;
}

void JsonFields::Problem(const std::string& key, const std::string& what) const {
  problems_->push_back(Concat(prefix_, key, ": ", what));
}

void JsonFields::Wrong(const std::string& key, const Json* came, const std::string& expected) const {
  if (came != nullptr) return Problem(key, Concat("is ", Describe(*came), "; expected ", expected));
  const std::string nearest = NearestKey(*object_, key);
  Problem(key, Concat("is missing; expected ", expected,
                      nearest.empty() ? "" : Concat(" (the file has \"", nearest, "\")")));
}

int64_t JsonFields::Int(const std::string& key, int64_t least, int64_t most, std::optional<int64_t> fallback) const {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_integer() && value->integer() >= least && value->integer() <= most) {
    return value->integer();
  }
  Wrong(key, value, Concat("a whole number from ", least, " to ", most));
  return fallback.value_or(least);
}

double JsonFields::Number(const std::string& key, double least, double most, std::optional<double> fallback) const {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_number() && value->number() >= least && value->number() <= most) {
    return value->number();
  }
  Wrong(key, value, Range("a number", least, most));
  return fallback.value_or(least);
}

bool JsonFields::Bool(const std::string& key, std::optional<bool> fallback) const {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_bool()) return value->boolean();
  Wrong(key, value, "true or false");
  return fallback.value_or(false);
}

std::string JsonFields::String(const std::string& key, std::optional<std::string> fallback) const {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_string()) return value->string();
  Wrong(key, value, "a string");
  return fallback.value_or("");
}

std::vector<double> JsonFields::Numbers(const std::string& key, double least, double most, int64_t count) const {
  const Json* value = Find(key);
  if (value == nullptr) return {};
  const bool fits = value->is_array() && (count < 0 || static_cast<int64_t>(value->items().size()) == count);
  std::vector<double> numbers;
  if (fits) {
    for (const Json& item : value->items()) {
      if (!item.is_number() || !(item.number() >= least && item.number() <= most)) {
        Problem(Concat(key, "[", numbers.size(), "]"),
                Concat("is ", Describe(item), "; expected ", Range("a number", least, most)));
        return {};
      }
      numbers.push_back(item.number());
    }
    return numbers;
  }
  Wrong(key, value, count < 0 ? std::string("an array of numbers") : Concat("an array of ", count, " numbers"));
  return {};
}

std::vector<std::string> JsonFields::Strings(const std::string& key, int64_t count) const {
  const Json* value = Find(key);
  if (value == nullptr) return {};
  std::vector<std::string> strings;
  bool fits = value->is_array() && (count < 0 || static_cast<int64_t>(value->items().size()) == count);
  if (fits) {
    for (const Json& item : value->items()) {
      if (!(fits = item.is_string())) break;
      strings.push_back(item.string());
    }
  }
  if (fits) return strings;
  Wrong(key, value, count < 0 ? std::string("an array of strings") : Concat("an array of ", count, " strings"));
  return {};
}

std::vector<int64_t> JsonFields::IntOrInts(const std::string& key, int64_t least, int64_t most) const {
  const Json* value = Find(key);
  if (value == nullptr) return {};
  std::vector<int64_t> integers;
  const auto take = [&](const Json& item) {
    if (!item.is_integer() || item.integer() < least || item.integer() > most) return false;
    integers.push_back(item.integer());
    return true;
  };
  bool fits = true;
  if (value->is_array()) {
    for (const Json& item : value->items()) fits = fits && take(item);
  } else {
    fits = take(*value);
  }
  if (fits) return integers;
  Wrong(key, value, Concat("a whole number from ", least, " to ", most, ", or an array of them"));
  return {};
}

JsonFields JsonFields::Object(const std::string& key) const {
  const Json* value = Find(key);
  return JsonFields(value == nullptr ? &EmptyObject() : value, place_, prefix_ + key + ".", problems_);
}

void JsonFields::Finish() const {
  if (problems_->empty()) return;
  constexpr size_t kShown = 20;
  std::string message = Concat(place_, ": ", problems_->size(), problems_->size() == 1 ? " problem: " : " problems: ");
  for (size_t i = 0; i < problems_->size() && i < kShown; ++i) message += Concat(i == 0 ? "" : "; ", (*problems_)[i]);
  if (problems_->size() > kShown) message += Concat("; and ", problems_->size() - kShown, " more");
  throw Error(ErrorCode::kBadCheckpoint, message + ". Correct the file or download it again.");
}

}  // namespace rlvr

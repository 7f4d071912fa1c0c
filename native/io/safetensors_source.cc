// Safetensors models as they lie on disk: one file, or a folder with shards and an index.
#include <climits>
#include <cstdlib>
#include <map>

#include "io/json.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"

namespace rlvr {

namespace {

std::string RealPath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return "";
  std::string result(resolved);
  free(resolved);
  return result;
}

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool IsInside(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
         (folder == "/" || path[folder.size()] == '/');
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

[[noreturn]] void BadIndex(const std::string& index, const std::string& what) {
  throw Error(ErrorCode::kBadCheckpoint,
              Concat("[safetensors] ", index, ": ", what, ". Download the index and its shards again."));
}

// The shard's path, which must stay inside the model's folder. A Hugging Face cache keeps snapshots/<revision>/ beside
// blobs/, with links from one to the other; those may be followed.
std::string ShardPath(const std::string& folder, const std::string& index, const std::string& name) {
  const std::string shown = Excerpt(name);
  if (name.empty() || name.size() > NAME_MAX || name[0] == '/' || name.find('\\') != std::string::npos ||
      name.find('\0') != std::string::npos || ("/" + name + "/").find("/../") != std::string::npos) {
    BadIndex(index, Concat("shard name \"", shown, "\" is not a plain path inside the folder"));
  }
  if (!EndsWith(name, ".safetensors")) BadIndex(index, Concat("shard \"", shown, "\" is not a .safetensors file"));
  const std::string path = folder + "/" + name;
  const std::string real = RealPath(path);
  if (real.empty()) BadIndex(index, Concat("shard \"", shown, "\" is missing from the folder"));
  const std::string root = RealPath(folder);
  const bool in_cache = BaseName(Parent(root)) == "snapshots" && IsInside(real, Parent(Parent(root)) + "/blobs");
  if (!IsInside(real, root) && !in_cache) {
    BadIndex(index, Concat("shard \"", shown, "\" is a link to ", real, ", outside the model's folder"));
  }
  return path;
}

class SafetensorsFiles : public Safetensors {
 public:
  explicit SafetensorsFiles(std::string path) : path_(std::move(path)) {}

  const std::string& path() const override { return path_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override { return metadata_; }

  const SourceTensor* Find(const std::string& name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return nullptr;
    if (!found->second.unreadable_type.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  Concat("[safetensors] ", path_, ": tensor \"", name, "\" has type ", found->second.unreadable_type,
                         "; readable types: F64, F32, F16, BF16, I32. Save the checkpoint as BF16 or F32."));
    }
    return &found->second.tensor;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }

  void AddWhole(const std::string& file) { Map(file, "", file); }

  void AddIndex(const std::string& folder, const std::string& index) {
    const Json json = Json::Parse(ReadTextFile(index, size_t{100} << 20), "[safetensors] " + index);
    const Json* map = json.Find("weight_map");
    if (map == nullptr || !map->is_object()) BadIndex(index, "it has no \"weight_map\" object");
    if (map->members().empty()) BadIndex(index, "its \"weight_map\" is empty");
    std::map<std::string, size_t> number_of_shard;
    for (const Json::Member& member : map->members()) {
      if (!member.second.is_string()) BadIndex(index, Concat("tensor \"", member.first, "\" names no shard"));
      const std::string& shard = member.second.string();
      if (number_of_shard.contains(shard)) continue;
      number_of_shard[shard] = files_.size();
      Map(ShardPath(folder, index, shard), index, shard);
    }
    for (const Json::Member& member : map->members()) {
      const auto found = tensors_.find(member.first);
      if (found == tensors_.end() || found->second.shard != number_of_shard[member.second.string()]) {
        BadIndex(index, Concat("tensor \"", member.first, "\" is not in shard \"", member.second.string(), "\""));
      }
    }
  }

 private:
  struct Stored {
    SourceTensor tensor;
    std::string unreadable_type;
    size_t shard;
  };

  void Map(const std::string& file, const std::string& index, const std::string& shard) {
    files_.push_back(std::make_unique<MappedFile>(file));
    SafetensorsHeader header = ParseSafetensors(files_.back()->data(), files_.back()->size(), file);
    if (files_.size() == 1) metadata_ = std::move(header.metadata);
    for (size_t i = 0; i < header.tensors.size(); ++i) {
      std::string name = header.tensors[i].name;
      Stored stored{std::move(header.tensors[i]), std::move(header.unreadable_type[i]), files_.size() - 1};
      const auto [at, is_new] = tensors_.emplace(std::move(name), std::move(stored));
      if (!is_new) {
        BadIndex(index, Concat("tensor \"", at->first, "\" is in two shards: \"", shard, "\" and ",
                               files_[at->second.shard]->path()));
      }
    }
  }

  std::string path_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, Stored> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

bool IsPickleName(const std::string& path) {
  return EndsWith(path, ".bin") || EndsWith(path, ".pt") || EndsWith(path, ".pth") || EndsWith(path, ".ckpt") ||
         EndsWith(path, ".pkl");
}

[[noreturn]] void RefusePickle(const std::string& path) {
  throw Error(ErrorCode::kUnsupported,
              Concat("[safetensors] ", path,
                     " is a pickle file, which can run code when it is loaded; it is not read. Save "
                     "the model as safetensors (save_pretrained with safe_serialization=True)."));
}

}  // namespace

std::unique_ptr<Safetensors> Safetensors::Open(const std::string& path) {
  auto files = std::make_unique<SafetensorsFiles>(path);
  if (!IsFolder(path)) {
    if (IsPickleName(path)) RefusePickle(path);
    files->AddWhole(path);
    return files;
  }
  const std::string single = path + "/model.safetensors";
  const std::string index = path + "/model.safetensors.index.json";
  if (IsRegularFile(single)) {
    files->AddWhole(single);
  } else if (IsRegularFile(index)) {
    files->AddIndex(path, index);
  } else {
    for (const char* name :
         {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.ckpt", "consolidated.00.pth"}) {
      if (IsRegularFile(path + "/" + name)) RefusePickle(path + "/" + name);
    }
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[safetensors] ", path,
                       " has neither model.safetensors nor model.safetensors.index.json. Check that "
                       "the download is complete."));
  }
  return files;
}

}  // namespace rlvr

#include "generate/generator.h"

#include <algorithm>

#include "core/rng.h"

namespace rlvr {

namespace {
int64_t Count(const auto& container) { return static_cast<int64_t>(container.size()); }
}  // namespace

Generator::Generator(const GenerateRequest& request, const Model& model, Decoder& decoder, Ops& ops,
                     const GeneratorLimits& limits)
    : request_(request),
      model_(model),
      decoder_(decoder),
      ops_(ops),
      limits_(limits),
      prefixes_(request.prefixes, model.spec(), "generate") {
  const DecoderSpec& s = model.spec();
  auto bad = [](const std::string& text) { throw Error(ErrorCode::kBadArgument, "[generate] " + text); };
  if (request.rollouts < 1) bad(Concat("rollouts is ", request.rollouts, "; expected at least 1."));
  if (request.max_new_tokens < 1) bad(Concat("maxNewTokens is ", request.max_new_tokens, "; expected at least 1."));
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    const std::vector<int32_t>& ids = request.prompts[p].ids;
    if (ids.empty()) bad(Concat("prompt ", p, " is empty; expected at least one token."));
    if (request.prompts[p].max_new_tokens < 0) {
      bad(Concat("maxNewTokens of prompt ", p, " is ", request.prompts[p].max_new_tokens, "; expected at least 1."));
    }
    prefixes_.CheckIndex(request.prompts[p].prefix, Concat("prompt ", p));
    const int64_t keys = PromptKeys(static_cast<int64_t>(p)), fresh = MaxNewTokens(static_cast<int64_t>(p));
    if (keys + fresh > s.context) {
      bad(Concat("prompt ", p, " has ", keys, " tokens with what it continues; with ", fresh,
                 " new ones it passes the model's context of ", s.context,
                 ". Shorten the prompt or lower maxNewTokens."));
    }
    for (const int32_t id : ids) {
      if (id < 0 || id >= s.vocab) bad(Concat("prompt ", p, " has token ", id, "; ids are 0 to ", s.vocab - 1, "."));
    }
  }
  stops_.resize(static_cast<size_t>(s.vocab));
  for (const int32_t id : request.stop_ids) {
    if (id < 0 || id >= s.vocab) bad(Concat("stop token ", id, " is outside the vocabulary of ", s.vocab, "."));
    stops_[static_cast<size_t>(id)] = true;
  }
  limits_.max_live = std::max<int64_t>(1, limits_.max_live);
}

int64_t Generator::PromptKeys(int64_t prompt) const {
  return prefixes_.End(PromptAt(prompt).prefix) + Count(PromptAt(prompt).ids);
}

// Own pages: those of the prefix come on top once.
int64_t Generator::PromptPages(int64_t prompt) const {
  return PagesFor(PromptKeys(prompt)) - prefixes_.End(PromptAt(prompt).prefix) / kKvBlock;
}

// The last token of a rollout is never fed back, so its key is never stored.
int64_t Generator::RolloutPages(int64_t prompt) const { return PagesFor(MaxNewTokens(prompt) - 1); }

// The most pages of prefixes that are resident at a time, while the prompts of `groups` neighbours in the queue are.
int64_t Generator::PrefixPoolPages(int64_t groups) const {
  const int64_t prompts = Count(request_.prompts);
  std::vector<int64_t> begins(static_cast<size_t>(prefixes_.count()), -1), change(static_cast<size_t>(prompts) + 1);
  std::vector<int64_t> ends = begins;
  for (int64_t p = 0; p < prompts; ++p) {
    for (int32_t i = PromptAt(p).prefix; i >= 0; i = prefixes_.parent(i)) {
      if (begins[static_cast<size_t>(i)] < 0) begins[static_cast<size_t>(i)] = p;
      ends[static_cast<size_t>(i)] = std::min(prompts, p + groups);
    }
  }
  for (int32_t i = 0; i < prefixes_.count(); ++i) {
    if (begins[static_cast<size_t>(i)] < 0) continue;
    const int64_t pages = PagesFor(prefixes_.End(i)) - prefixes_.End(prefixes_.parent(i)) / kKvBlock;
    change[static_cast<size_t>(begins[static_cast<size_t>(i)])] += pages;
    change[static_cast<size_t>(ends[static_cast<size_t>(i)])] -= pages;
  }
  int64_t now = 0, most = 0;
  for (const int64_t pages : change) most = std::max(most, now += pages);
  return most;
}

// Enough for the most demanding set of prompts that is alive at a time when every rollout takes its full length. When
// slow rollouts keep more prefixes alive than this counts, Admit() waits for them.
int64_t Generator::PoolPages() const {
  std::vector<int64_t> needs;
  int64_t rollout = 0;
  for (int64_t p = 0; p < Count(request_.prompts); ++p) {
    needs.push_back(PromptPages(p));
    rollout = std::max(rollout, RolloutPages(p));
  }
  const int64_t live = std::min(limits_.max_live, request_.rollouts * Count(needs));
  const int64_t groups = std::min(Count(needs), (live + request_.rollouts - 1) / request_.rollouts + 1);
  std::partial_sort(needs.begin(), needs.begin() + groups, needs.end(), std::greater<>());
  int64_t pages = live * rollout + PrefixPoolPages(groups);
  for (int64_t g = 0; g < groups; ++g) pages += needs[static_cast<size_t>(g)];
  return pages;
}

int64_t Generator::MaxRows() const {
  int64_t prompt_rows = 0;
  for (const Prompt& prompt : request_.prompts) prompt_rows += Count(prompt.ids);
  for (const Prefix& prefix : request_.prefixes) prompt_rows += Count(prefix.ids);
  return std::max(std::min(prompt_rows, limits_.max_batch_rows), limits_.max_live);
}

// First tokens are drawn for all rollouts of the prompts of a batch at once.
int64_t Generator::MaxHeadRows() const {
  return std::max(limits_.max_live, request_.rollouts * std::min(Count(request_.prompts), MaxRows()));
}

size_t Generator::ArenaBytes() const {
  const int64_t heads = MaxHeadRows();
  const size_t per_row = Arena::MatrixBytes(DType::kF64, 1, heads);
  const size_t head = 2 * Arena::MatrixBytes(ops_.ActivationType(), heads, model_.spec().dim) + 8 * per_row;
  return KvPool::Bytes(model_.spec(), ops_.KvType(), PoolPages(), model_.spec().layers) +
         Decoder::InferBytes(model_, ops_, MaxRows()) + head;
}

GenerateResult Generator::Run(Arena& arena, const CallContext& context) {
  KvPool pool(model_.spec(), ops_.KvType(), PoolPages(), model_.spec().layers, arena, ops_);
  PageList pages(PoolPages());
  PrefixPages shared(prefixes_, pages);
  for (const Prompt& prompt : request_.prompts) shared.Announce(prompt.prefix);
  arena_ = &arena;
  pool_ = &pool;
  pages_ = &pages;
  shared_ = &shared;
  context_ = &context;
  result_.groups.assign(request_.prompts.size(), std::vector<Rollout>(static_cast<size_t>(request_.rollouts)));
  residents_.resize(request_.prompts.size());
  const int64_t total = Count(request_.prompts) * request_.rollouts;
  while (done_ < total) {
    Admit();
    if (!live_.empty()) DecodeStep();
    if (context.progress) context.progress(done_, total);
  }
  return std::move(result_);
}

// Fills free places with the next rollouts of the queue, as far as pages last.
void Generator::Admit() {
  std::vector<int64_t> fresh;
  int64_t reserved = 0;  // first tokens of fresh prompts come with the prefill; their rollouts are then admitted
  const int64_t prompts = Count(request_.prompts);
  int64_t p = next_prompt_, r = next_rollout_, places = limits_.max_live - Count(live_);
  std::vector<std::pair<int64_t, int64_t>> admitted;
  while (places > 0 && p < prompts) {
    Resident& resident = residents_[static_cast<size_t>(p)];
    const bool is_fresh = !resident.loaded;
    const int32_t prefix = PromptAt(p).prefix;
    const int64_t need = RolloutPages(p) + (is_fresh ? PromptPages(p) + shared_->PagesToLoad(prefix) : 0);
    if (reserved + need > pages_->free()) break;
    if (is_fresh) {
      shared_->Load(prefix, [this](int32_t i, const PageTable& table) { LoadPrefix(i, table); });
      resident.table = shared_->Extend(prefix, Count(PromptAt(p).ids));
      resident.unfinished = request_.rollouts;
      resident.loaded = true;
      fresh.push_back(p);
    }
    reserved += RolloutPages(p);
    admitted.emplace_back(p, r);
    --places;
    if (++r == request_.rollouts) {
      r = 0;
      ++p;
    }
  }
  RLVR_CHECK(!admitted.empty() || !live_.empty() || p >= prompts, "no rollout fits the KV pool");
  next_prompt_ = p;
  next_rollout_ = r;
  if (!fresh.empty()) Prefill(fresh);
  for (const auto& [prompt, rollout] : admitted) {
    Live live{prompt, rollout, {}};
    if (IsFinished(prompt, rollout)) {
      Finish(live);
    } else {
      live.pages = pages_->Take(RolloutPages(prompt));
      live_.push_back(std::move(live));
    }
  }
}

// Computes the keys of a prefix, in pieces of at most max_batch_rows.
void Generator::LoadPrefix(int32_t prefix, const PageTable& table) {
  const std::vector<int32_t>& ids = prefixes_.ids(prefix);
  const int64_t before = prefixes_.End(prefixes_.parent(prefix));
  if (table.copy) pool_->Copy(*table.copy, ops_);
  for (int64_t from = 0; from < Count(ids); from += limits_.max_batch_rows) {
    const int64_t take = std::min(limits_.max_batch_rows, Count(ids) - from);
    SpanBatch batch;
    batch.Add(-1, 0, static_cast<int32_t>(before + from),
              std::span(ids).subspan(static_cast<size_t>(from), static_cast<size_t>(take)), table.pages);
    PrefillBatch(batch, {}, {});
  }
}

// Computes prompts in batches of at most max_batch_rows; a longer prompt goes in pieces.
void Generator::Prefill(const std::vector<int64_t>& prompts) {
  SpanBatch batch;
  std::vector<int64_t> complete;
  std::vector<int32_t> last_rows;
  for (const int64_t p : prompts) {
    const std::vector<int32_t>& ids = PromptAt(p).ids;
    const int64_t before = prefixes_.End(PromptAt(p).prefix);
    const PageTable& table = residents_[static_cast<size_t>(p)].table;
    if (table.copy) pool_->Copy(*table.copy, ops_);
    for (int64_t from = 0; from < Count(ids);) {
      const int64_t room = limits_.max_batch_rows - batch.rows();
      // Starting a prompt in the last few rows of a batch would only cost another pass over its keys.
      if (room <= 0 || (from == 0 && Count(ids) > room && batch.rows() > 0)) {
        PrefillBatch(batch, complete, last_rows);
        batch.Clear();
        complete.clear();
        last_rows.clear();
        continue;
      }
      const int64_t take = std::min(room, Count(ids) - from);
      batch.Add(-1, 0, static_cast<int32_t>(before + from),
                std::span(ids).subspan(static_cast<size_t>(from), static_cast<size_t>(take)), table.pages);
      from += take;
      if (from == Count(ids)) {
        complete.push_back(p);
        last_rows.push_back(static_cast<int32_t>(batch.rows()) - 1);
      }
    }
  }
  PrefillBatch(batch, complete, last_rows);
}

void Generator::PrefillBatch(SpanBatch& batch, const std::vector<int64_t>& complete,
                             const std::vector<int32_t>& last_rows) {
  if (batch.rows() == 0) return;
  const size_t mark = arena_->Mark();
  const Tensor residual =
      decoder_.Infer(batch, *pool_, *arena_, request_.adapter, [this] { ThrowIfCancelled(*context_); });
  result_.counters.tokens_computed += batch.rows();
  result_.counters.prompt_tokens += batch.rows();
  // The last prompt row stands once for the first token of each rollout.
  std::vector<int32_t> rows;
  std::vector<std::pair<int64_t, int64_t>> who;
  for (size_t i = 0; i < complete.size(); ++i) {
    for (int64_t r = 0; r < request_.rollouts; ++r) {
      rows.push_back(last_rows[i]);
      who.emplace_back(complete[i], r);
    }
  }
  Sample(residual, rows, who);
  arena_->Rewind(mark);
}

void Generator::DecodeStep() {
  SpanBatch batch;
  std::vector<int32_t> span_of(request_.prompts.size(), -1);
  for (const Live& live : live_) {
    int32_t& span = span_of[static_cast<size_t>(live.prompt)];
    if (span >= 0) continue;
    span = batch.Add(-1, 0, static_cast<int32_t>(PromptKeys(live.prompt)), {},
                     residents_[static_cast<size_t>(live.prompt)].table.pages);
  }
  std::vector<int32_t> rows;
  std::vector<std::pair<int64_t, int64_t>> who;
  for (const Live& live : live_) {
    const std::vector<int32_t>& done = At(live.prompt, live.rollout).ids;
    batch.Add(span_of[static_cast<size_t>(live.prompt)], static_cast<int32_t>(PromptKeys(live.prompt)),
              static_cast<int32_t>(done.size()) - 1, std::span(done).last(1), live.pages);
    rows.push_back(static_cast<int32_t>(rows.size()));
    who.emplace_back(live.prompt, live.rollout);
  }
  const size_t mark = arena_->Mark();
  const Tensor residual =
      decoder_.Infer(batch, *pool_, *arena_, request_.adapter, [this] { ThrowIfCancelled(*context_); });
  result_.counters.tokens_computed += batch.rows();
  Sample(residual, rows, who);
  arena_->Rewind(mark);

  std::vector<Live> still;
  for (Live& live : live_) {
    if (IsFinished(live.prompt, live.rollout)) {
      Finish(live);
    } else {
      still.push_back(std::move(live));
    }
  }
  live_ = std::move(still);
}

void Generator::Sample(const Tensor& residual, const std::vector<int32_t>& rows,
                       const std::vector<std::pair<int64_t, int64_t>>& who) {
  const int64_t count = Count(rows);
  if (count == 0) return;
  const DType dtype = ops_.ParameterType();
  const Tensor index = arena_->Matrix(DType::kI32, 1, count), tokens = arena_->Matrix(DType::kI32, 1, count);
  const Tensor uniform = arena_->Matrix(DType::kF64, 1, count);
  HeadOutputs out;
  out.logprob = arena_->Matrix(dtype, 1, count);
  out.entropy = arena_->Matrix(dtype, 1, count);
  std::vector<double> draws;
  for (const auto& [prompt, rollout] : who) {
    const auto token = static_cast<uint32_t>(At(prompt, rollout).ids.size());
    draws.push_back(UniformFor(request_.seed, PromptAt(prompt).key, static_cast<uint32_t>(rollout), token));
  }
  DeviceMemory& device = ops_.memory();
  Write(device, rows, index);
  Write(device, draws, uniform);
  const Tensor hidden = decoder_.HeadInput(residual, index, *arena_);
  ops_.HeadSample(hidden, model_.head(), request_.sampling, uniform, tokens, out);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  device.Download(static_cast<const std::byte*>(tokens.data()), ids.data(), ids.size() * sizeof(int32_t));
  const std::vector<float> logprobs = ReadF32(device, out.logprob), entropies = ReadF32(device, out.entropy);
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto [prompt, rollout] = who[i];
    Rollout& r = At(prompt, rollout);
    const int32_t id = ids[i];
    r.ids.push_back(id);
    r.logprobs.push_back(logprobs[i]);
    r.entropies.push_back(entropies[i]);
    if (stops_[static_cast<size_t>(id)]) r.finish = FinishReason::kStop;
  }
}

bool Generator::IsFinished(int64_t prompt, int64_t rollout) {
  const Rollout& r = At(prompt, rollout);
  return r.finish == FinishReason::kStop || Count(r.ids) >= MaxNewTokens(prompt);
}

void Generator::Finish(Live& live) {
  pages_->Return(live.pages);
  Resident& resident = residents_[static_cast<size_t>(live.prompt)];
  if (--resident.unfinished == 0) {
    shared_->Return(resident.table);
    shared_->Release(PromptAt(live.prompt).prefix);
  }
  ++done_;
}

}  // namespace rlvr

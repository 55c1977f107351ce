// C boundary over SentencePiece: load, encode, decode, train. Every function returns 0 on success and 1 on failure;
// lt_text_error() then holds one line (per thread). Texts are UTF-8 with their length and may hold zero bytes.
#include <sentencepiece_processor.h>
#ifdef LT_TRAIN
#include <sentencepiece_trainer.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#define LT_API extern "C" __attribute__((visibility("default")))

namespace {

thread_local std::string error_text;

void check(const sentencepiece::util::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

template <typename F>
int32_t guard(F&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    try { error_text = e.what(); } catch (...) {}
  } catch (...) {
    try { error_text = "an unknown C++ exception"; } catch (...) {}
  }
  return 1;
}

const sentencepiece::SentencePieceProcessor& model_of(void* model) {
  return *static_cast<sentencepiece::SentencePieceProcessor*>(model);
}

}  // namespace

LT_API const char* lt_text_error() { return error_text.c_str(); }

// The model belongs to the caller, who releases it with lt_text_free.
LT_API int32_t lt_text_load(const char* file, void** model) {
  return guard([&] {
    auto made = std::make_unique<sentencepiece::SentencePieceProcessor>();
    check(made->Load(file));
    *model = made.release();
  });
}

LT_API void lt_text_free(void* model) { delete static_cast<sentencepiece::SentencePieceProcessor*>(model); }

LT_API int32_t lt_text_facts(void* model, int32_t* pieces, int32_t* pad, int32_t* eos, int32_t* unknown) {
  return guard([&] {
    const auto& m = model_of(model);
    *pieces = m.GetPieceSize();
    *pad = m.pad_id();
    *eos = m.eos_id();
    *unknown = m.unk_id();
  });
}

// *count is the number of ids there are; at most capacity of them are written.
LT_API int32_t lt_text_encode(void* model, const char* text, int32_t length, int32_t* ids, int32_t capacity, int32_t* count) {
  return guard([&] {
    std::vector<int> made;
    check(model_of(model).Encode(std::string_view(text, static_cast<size_t>(length)), &made));
    *count = static_cast<int32_t>(made.size());
    std::copy_n(made.begin(), std::min(*count, capacity), ids);
  });
}

// *bytes is the length of the text; at most capacity bytes of it are written, without a closing zero.
LT_API int32_t lt_text_decode(void* model, const int32_t* ids, int32_t count, char* text, int32_t capacity, int32_t* bytes) {
  return guard([&] {
    const auto& m = model_of(model);
    for (int32_t i = 0; i < count; i++)
      if (ids[i] < 0 || ids[i] >= m.GetPieceSize())
        throw std::out_of_range("id " + std::to_string(ids[i]) + " is not in 0.." + std::to_string(m.GetPieceSize() - 1));
    std::string made;
    check(m.Decode(std::vector<int>(ids, ids + count), &made));
    *bytes = static_cast<int32_t>(made.size());
    std::memcpy(text, made.data(), static_cast<size_t>(std::min(*bytes, capacity)));
  });
}

// Trains a unigram model with T5's special pieces and writes prefix.model and prefix.vocab.
LT_API int32_t lt_text_train(const char* corpus, const char* prefix, int32_t pieces) {
  return guard([&] {
#ifdef LT_TRAIN
    check(sentencepiece::SentencePieceTrainer::Train({
        {"input", '"' + std::string(corpus) + '"'}, {"model_prefix", prefix}, {"vocab_size", std::to_string(pieces)},
        {"model_type", "unigram"}, {"pad_id", "0"}, {"eos_id", "1"}, {"unk_id", "2"}, {"bos_id", "-1"},
        {"hard_vocab_limit", "false"}, {"minloglevel", "2"}}));
#else
    (void)corpus, (void)prefix, (void)pieces;
    throw std::runtime_error("this build of liblongtake_text cannot train: libsentencepiece_train was missing when it was built");
#endif
  });
}

// Peer: llama.cpp follows given tokens and says what it would have written. llama_follow MODEL.gguf THREADS
//
// Each line of standard input holds ids of a prompt, "|" and ids of a continuation, all separated by spaces; the answer
// is a JSON line {"best":[…],"gap":[…]}: for each token of the continuation the likeliest one in its place, and how much
// lower the given one's logit is, in standard deviations of that place's logits (0 where it is the likeliest). The first
// line of the output says how long loading took.
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<llama_token> ids_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<llama_token> ids;
  for (llama_token id; in >> id;) ids.push_back(id);
  return ids;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "llama_follow: %s\n", what);
  std::exit(1);
}

double spread(const float* logits, int n) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) sum += logits[i], squares += double{logits[i]} * double{logits[i]};
  return std::sqrt(std::max(squares / n - sum / n * (sum / n), 1e-12));
}

// Logits behind the first `prompt` tokens and all that follow but the last.
void follow(llama_context* context, int vocab, std::vector<llama_token> tokens, size_t prompt) {
  llama_memory_clear(llama_get_memory(context), true);
  std::string best = "[", gap = "[";
  size_t read = 0;
  for (size_t end = prompt; end < tokens.size(); ++end) {
    if (llama_decode(context, llama_batch_get_one(tokens.data() + read, static_cast<int32_t>(end - read))) != 0)
      fail("a forward pass failed");
    read = end;
    const float* logits = llama_get_logits_ith(context, -1);
    const auto top = static_cast<llama_token>(std::max_element(logits, logits + vocab) - logits);
    char number[32];
    const double lower = double{logits[top]} - double{logits[tokens[end]]};
    std::snprintf(number, sizeof number, "%.6g", lower / spread(logits, vocab));
    best += (end > prompt ? "," : "") + std::to_string(top);
    gap += (end > prompt ? "," : "") + std::string(number);
  }
  std::printf("{\"best\":%s],\"gap\":%s]}\n", best.c_str(), gap.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) fail("usage: llama_follow MODEL.gguf THREADS < LINES");
  llama_log_set([](ggml_log_level level, const char* text, void*) {
    if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
  }, nullptr);
  llama_backend_init();
  const auto begin = std::chrono::steady_clock::now();
  llama_model_params loading = llama_model_default_params();
  loading.use_extra_bufts = false;  // repacked 8-bit weights end in an illegal instruction on processors with matrix tiles
  llama_model* model = llama_model_load_from_file(argv[1], loading);
  if (!model) fail("the model cannot be loaded");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = 1024;
  params.n_threads = params.n_threads_batch = std::atoi(argv[2]);
  llama_context* context = llama_init_from_model(model, params);
  if (!context) fail("no context for this model");
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::printf("{\"load_seconds\":%.3f,\"vocab\":%d}\n", taken.count(), vocab);
  for (std::string line; std::getline(std::cin, line);) {
    const size_t bar = line.find('|');
    if (bar == std::string::npos) fail("a line has no |");
    std::vector<llama_token> tokens = ids_of(line.substr(0, bar));
    const size_t prompt = tokens.size();
    for (const llama_token id : ids_of(line.substr(bar + 1))) tokens.push_back(id);
    if (prompt == 0 || tokens.size() > 1024) fail("a line must hold a prompt, and at most 1024 tokens");
    for (const llama_token id : tokens)
      if (id < 0 || id >= vocab) fail("an id is not in the vocabulary");
    follow(context, vocab, tokens, prompt);
  }
  llama_free(context);
  llama_model_free(model);
}

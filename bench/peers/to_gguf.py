"""Writes the weights of a Hugging Face Llama directory as an f32 GGUF file for llama.cpp. to_gguf.py MODEL OUT.gguf

The tokenizer in it is a placeholder of the right size: the batched bench draws token ids at random."""
import json
import sys
from pathlib import Path

import gguf
from safetensors.numpy import load_file

directory, out = Path(sys.argv[1]), sys.argv[2]
config, tensors = json.loads((directory / "config.json").read_text()), load_file(directory / "model.safetensors")
heads, kv_heads, vocab = config["num_attention_heads"], config["num_key_value_heads"], config["vocab_size"]

writer = gguf.GGUFWriter(out, "llama")
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(config["hidden_size"])
writer.add_block_count(config["num_hidden_layers"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads)
writer.add_head_count_kv(kv_heads)
writer.add_rope_dimension_count(config["head_dim"])
writer.add_rope_freq_base(config["rope_theta"])
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_vocab_size(vocab)
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
writer.add_tokenizer_model("llama")
kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
writer.add_token_list(["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(3, vocab)])
writer.add_token_scores([0.0] * vocab)
writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (vocab - 3))


def interleaved(weight, heads):
    """llama.cpp rotates neighbouring pairs, Hugging Face the two halves of a head: the same rows in another order."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
writer.add_tensor("token_embd.weight", tensors["model.embed_tokens.weight"])
writer.add_tensor("output_norm.weight", tensors["model.norm.weight"])
for i in range(config["num_hidden_layers"]):
    layer = lambda name: tensors[f"model.layers.{i}.{name}.weight"]
    writer.add_tensor(f"blk.{i}.attn_q.weight", interleaved(layer("self_attn.q_proj"), heads))
    writer.add_tensor(f"blk.{i}.attn_k.weight", interleaved(layer("self_attn.k_proj"), kv_heads))
    for theirs, name in NAMES.items():
        writer.add_tensor(f"blk.{i}.{name}.weight", layer(theirs))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

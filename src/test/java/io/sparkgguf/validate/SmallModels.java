package io.sparkgguf.validate;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * A sound model of two layers for each known architecture, to be damaged by tests: embedding 256, feed-forward 512, 8 heads
 * over 4 of 32 elements each (qwen3: of 64), 100 tokens.
 */
final class SmallModels {
    static final int TOKENS = 100;
    static final int LAYERS = 2;

    final Metadata metadata;
    final Map<String, TensorEntry> tensors = new TreeMap<>();

    private SmallModels(String architecture, int experts) {
        int head = architecture.equals("qwen3") ? 64 : 32;
        metadata = new Metadata()
                .putString("general.architecture", architecture)
                .putU32("general.file_type", 15)
                .putU32("general.quantization_version", 2)
                .putU32(architecture + ".context_length", 1024)
                .putU32(architecture + ".embedding_length", 256)
                .putU32(architecture + ".block_count", LAYERS)
                .putU32(architecture + ".feed_forward_length", 512)
                .putU32(architecture + ".attention.head_count", 8)
                .putU32(architecture + ".attention.head_count_kv", 4)
                .putU32(architecture + ".attention.key_length", head)
                .putU32(architecture + ".attention.value_length", head)
                .putU32(architecture + ".rope.dimension_count", head)
                .putF32(architecture + ".rope.freq_base", 10000)
                .putF32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f)
                .putU32(architecture + ".vocab_size", TOKENS);
        if (experts > 0) {
            metadata.putU32(architecture + ".expert_count", experts).putU32(architecture + ".expert_used_count", 2);
        }
        putTokenizer();
        put("token_embd.weight", TOKENS, 256);
        put("output.weight", TOKENS, 256);
        put("output_norm.weight", 256);
        for (int layer = 0; layer < LAYERS; layer++) {
            putLayer("blk." + layer + ".", architecture, head, experts);
        }
    }

    static SmallModels of(String architecture) {
        return new SmallModels(architecture, 0);
    }

    static SmallModels mixtral() {
        return new SmallModels("llama", 4);
    }

    private void putTokenizer() {
        List<String> tokens =
                IntStream.range(0, TOKENS).mapToObj(i -> "token" + i).toList();
        metadata.putString("tokenizer.ggml.model", "gpt2")
                .putString("tokenizer.ggml.pre", "default")
                .putStrings("tokenizer.ggml.tokens", tokens)
                .put("tokenizer.ggml.token_type", MetadataValue.Numbers.ofInts(MetadataType.I32, new int[TOKENS]))
                .putStrings("tokenizer.ggml.merges", List.of("t o"))
                .putU32("tokenizer.ggml.bos_token_id", 1)
                .putBool("tokenizer.ggml.add_bos_token", true);
    }

    private void putLayer(String block, String architecture, int head, int experts) {
        put(block + "attn_norm.weight", 256);
        put(block + "attn_q.weight", 8 * head, 256);
        put(block + "attn_k.weight", 4 * head, 256);
        put(block + "attn_v.weight", 4 * head, 256);
        put(block + "attn_output.weight", 256, 8 * head);
        put(block + "ffn_norm.weight", 256);
        if (architecture.equals("qwen2")) {
            put(block + "attn_q.bias", 8 * head);
            put(block + "attn_k.bias", 4 * head);
            put(block + "attn_v.bias", 4 * head);
        }
        if (architecture.equals("qwen3")) {
            put(block + "attn_q_norm.weight", head);
            put(block + "attn_k_norm.weight", head);
        }
        if (experts == 0) {
            put(block + "ffn_gate.weight", 512, 256);
            put(block + "ffn_up.weight", 512, 256);
            put(block + "ffn_down.weight", 256, 512);
        } else {
            put(block + "ffn_gate_inp.weight", experts, 256);
            put(block + "ffn_gate_exps.weight", experts, 512, 256);
            put(block + "ffn_up_exps.weight", experts, 512, 256);
            put(block + "ffn_down_exps.weight", experts, 256, 512);
        }
    }

    /** Sets a tensor: vectors in F32, matrices in Q4_K. */
    SmallModels put(String name, long... shape) {
        BlockType type = shape.length == 1 ? BlockType.F32 : BlockType.Q4_K;
        tensors.put(name, new TensorEntry(name, Shape.of(shape), type));
        return this;
    }

    SmallModels remove(String name) {
        if (tensors.remove(name) == null) {
            throw new AssertionError("no tensor " + name);
        }
        return this;
    }

    List<TensorEntry> list() {
        return List.copyOf(tensors.values());
    }

    List<Finding> findings() {
        return ModelCheck.check(metadata, list());
    }

    /** The same in {@code count} shards with all their keys, to be damaged as well. */
    List<Shard> shards(int count) {
        List<TensorEntry> all = list();
        List<Shard> shards = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Metadata own = i == 0 ? metadata.copy() : new Metadata();
            own.put("split.no", MetadataValue.Int.of(MetadataType.U16, i))
                    .put("split.count", MetadataValue.Int.of(MetadataType.U16, count))
                    .put("split.tensors.count", MetadataValue.Int.of(MetadataType.I32, all.size()));
            String file = String.format(Locale.ROOT, "dir/m-%05d-of-%05d.gguf", i + 1, count);
            List<TensorEntry> part = all.isEmpty()
                    ? Collections.emptyList()
                    : all.subList(i * all.size() / count, (i + 1) * all.size() / count);
            shards.add(new Shard(file, own, part));
        }
        return shards;
    }
}

package io.sparkgguf.validate;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The tensors that llama.cpp expects of an architecture, one table for each; another architecture is another table.
 *
 * <p>Source: src/models/llama.cpp, qwen2.cpp, qwen3.cpp and bitnet.cpp of llama.cpp b10572.
 */
final class ArchitectureTensors {

    /** A dimension that follows from the model's numbers; -1 when it is not known. */
    private interface Size {
        long of(Hyperparameters model);
    }

    /** When a tensor of the table is there. */
    private enum Presence {
        REQUIRED,
        OPTIONAL,
        /** Required unless the layer has the fused weight of queries, keys and values. */
        REQUIRED_UNLESS_FUSED,
        /** Allowed unless the layer has the fused bias. */
        OPTIONAL_UNLESS_FUSED_BIAS,
        /** Allowed only beside the fused weight. */
        OPTIONAL_IF_FUSED
    }

    /** One line of a table; {@code name} with blk.N. before it when it is in {@code blocks}. */
    private record Row(String name, Presence presence, List<Size> shape) {}

    /**
     * @param globals outside the layers
     * @param blocks in each layer
     * @param dense in each layer of a dense model
     * @param experts in each layer of a model of experts
     */
    private record Table(List<Row> globals, List<Row> blocks, List<Row> dense, List<Row> experts) {}

    /**
     * A tensor that the model must or may have.
     *
     * @param shape outermost first; -1 matches any size
     */
    record Expected(String name, boolean required, long[] shape) {}

    private static final Size EMBEDDING = Hyperparameters::embedding;
    private static final Size VOCABULARY = Hyperparameters::vocabulary;
    private static final Size QUERIES = Hyperparameters::queries;
    private static final Size KEYS = Hyperparameters::keys;
    private static final Size VALUES = Hyperparameters::values;
    private static final Size HEAD = Hyperparameters::keyLength;
    private static final Size FEED_FORWARD = Hyperparameters::feedForward;
    private static final Size EXPERTS = Hyperparameters::experts;
    private static final Size LABELS = Hyperparameters::labels;
    private static final Size ROTATED_PAIRS = model -> model.ropeDimensions() / 2;
    private static final Size ONE = model -> 1;

    private static final String FUSED = "attn_qkv.weight";
    private static final String FUSED_BIAS = "attn_qkv.bias";

    private static final List<Row> GATED = List.of(
            weight("ffn_gate", FEED_FORWARD, EMBEDDING),
            weight("ffn_up", FEED_FORWARD, EMBEDDING),
            weight("ffn_down", EMBEDDING, FEED_FORWARD));

    private static final Map<String, Table> TABLES =
            Map.of("llama", llama(), "qwen2", qwen2(), "qwen3", qwen3(), "bitnet", bitnet());

    private ArchitectureTensors() {}

    private static Table llama() {
        return new Table(
                globals(),
                join(
                        fusable(QUERIES, KEYS, VALUES),
                        List.of(
                                weight("attn_norm", EMBEDDING),
                                weight("attn_output", EMBEDDING, QUERIES),
                                optional("attn_output.bias", EMBEDDING),
                                weight("ffn_norm", EMBEDDING))),
                join(
                        GATED,
                        List.of(
                                optional("ffn_gate.bias", FEED_FORWARD),
                                optional("ffn_up.bias", FEED_FORWARD),
                                optional("ffn_down.bias", EMBEDDING))),
                List.of(
                        weight("ffn_gate_inp", EXPERTS, EMBEDDING),
                        optional("ffn_gate_exps.weight", EXPERTS, FEED_FORWARD, EMBEDDING),
                        weight("ffn_up_exps", EXPERTS, FEED_FORWARD, EMBEDDING),
                        weight("ffn_down_exps", EXPERTS, EMBEDDING, FEED_FORWARD)));
    }

    private static Table qwen2() {
        return new Table(
                join(globals(), List.of(optional("output.bias", VOCABULARY))),
                join(
                        fusable(EMBEDDING, VALUES, VALUES),
                        List.of(
                                weight("attn_norm", EMBEDDING),
                                weight("attn_output", EMBEDDING, EMBEDDING),
                                weight("ffn_norm", EMBEDDING))),
                GATED,
                GATED);
    }

    private static Table qwen3() {
        return new Table(
                join(globals(), List.of(optional("cls.output.weight", LABELS, EMBEDDING))),
                join(
                        fusable(QUERIES, VALUES, VALUES),
                        List.of(
                                weight("attn_norm", EMBEDDING),
                                weight("attn_output", EMBEDDING, QUERIES),
                                weight("attn_q_norm", HEAD),
                                weight("attn_k_norm", HEAD),
                                weight("ffn_norm", EMBEDDING))),
                GATED,
                GATED);
    }

    private static Table bitnet() {
        return new Table(
                List.of(weight("token_embd", VOCABULARY, EMBEDDING), weight("output_norm", EMBEDDING)),
                List.of(
                        weight("attn_q", EMBEDDING, EMBEDDING),
                        weight("attn_k", VALUES, EMBEDDING),
                        weight("attn_v", VALUES, EMBEDDING),
                        weight("attn_norm", EMBEDDING),
                        weight("attn_sub_norm", EMBEDDING),
                        weight("attn_output", EMBEDDING, EMBEDDING),
                        weight("ffn_norm", EMBEDDING),
                        weight("ffn_sub_norm", FEED_FORWARD)),
                GATED,
                GATED);
    }

    private static List<Row> globals() {
        return List.of(
                weight("token_embd", VOCABULARY, EMBEDDING),
                weight("output_norm", EMBEDDING),
                optional("output.weight", VOCABULARY, EMBEDDING));
    }

    private static List<Row> fusable(Size queries, Size keys, Size values) {
        Size all = model -> queries.of(model) + keys.of(model) + values.of(model);
        return List.of(
                new Row(FUSED, Presence.OPTIONAL, List.of(all, EMBEDDING)),
                new Row(FUSED_BIAS, Presence.OPTIONAL_IF_FUSED, List.of(all)),
                new Row("attn_q.weight", Presence.REQUIRED_UNLESS_FUSED, List.of(queries, EMBEDDING)),
                new Row("attn_k.weight", Presence.REQUIRED_UNLESS_FUSED, List.of(keys, EMBEDDING)),
                new Row("attn_v.weight", Presence.REQUIRED_UNLESS_FUSED, List.of(values, EMBEDDING)),
                new Row("attn_q.bias", Presence.OPTIONAL_UNLESS_FUSED_BIAS, List.of(queries)),
                new Row("attn_k.bias", Presence.OPTIONAL_UNLESS_FUSED_BIAS, List.of(keys)),
                new Row("attn_v.bias", Presence.OPTIONAL_UNLESS_FUSED_BIAS, List.of(values)));
    }

    private static Row weight(String name, Size... shape) {
        return new Row(name + ".weight", Presence.REQUIRED, List.of(shape));
    }

    private static Row optional(String name, Size... shape) {
        return new Row(name, Presence.OPTIONAL, List.of(shape));
    }

    private static List<Row> join(List<Row> first, List<Row> second) {
        List<Row> all = new ArrayList<>(first);
        all.addAll(second);
        return List.copyOf(all);
    }

    /** The architectures with a table. */
    static Set<String> known() {
        return TABLES.keySet();
    }

    /**
     * All tensors that a model may have.
     *
     * @param architecture one with a table
     * @param has whether the model has the tensor of a name: layers with fused weights expect others
     */
    static List<Expected> of(String architecture, Hyperparameters model, Predicate<String> has) {
        Table table = TABLES.get(architecture);
        List<Expected> expected = new ArrayList<>();
        add(expected, table.globals, "", model, has);
        if (architecture.equals("llama")) {
            List<Row> factors = model.longRope()
                    ? List.of(
                            optional("rope_factors_long.weight", ROTATED_PAIRS),
                            optional("rope_factors_short.weight", ROTATED_PAIRS))
                    : List.of(optional("rope_freqs.weight", ROTATED_PAIRS));
            add(expected, factors, "", model, has);
        }
        List<Row> layer = join(table.blocks, model.experts() == 0 ? table.dense : table.experts);
        for (int i = 0; i < model.layers(); i++) {
            String block = "blk." + i + ".";
            add(expected, layer, block, model, has);
            addScales(expected, layer, block, model, has);
        }
        return expected;
    }

    private static void add(
            List<Expected> expected, List<Row> rows, String block, Hyperparameters model, Predicate<String> has) {
        boolean fused = has.test(block + FUSED);
        boolean fusedBias = fused && has.test(block + FUSED_BIAS);
        for (Row row : rows) {
            boolean allowed = switch (row.presence) {
                case REQUIRED, OPTIONAL -> true;
                case REQUIRED_UNLESS_FUSED -> !fused;
                case OPTIONAL_UNLESS_FUSED_BIAS -> !fusedBias;
                case OPTIONAL_IF_FUSED -> fused;
            };
            if (allowed) {
                boolean required = row.presence == Presence.REQUIRED || row.presence == Presence.REQUIRED_UNLESS_FUSED;
                long[] shape =
                        row.shape.stream().mapToLong(size -> size.of(model)).toArray();
                expected.add(new Expected(block + row.name, required, shape));
            }
        }
    }

    /** Every linear weight of a layer may have factors beside it: one, or one for each expert. */
    private static void addScales(
            List<Expected> expected, List<Row> layer, String block, Hyperparameters model, Predicate<String> has) {
        for (Row row : layer) {
            boolean linear = row.shape.size() >= 2 && !row.name.startsWith("ffn_gate_inp");
            if (linear && has.test(block + row.name)) {
                String stem = block + row.name.substring(0, row.name.length() - "weight".length());
                long[] shape = {(row.shape.size() == 3 ? EXPERTS : ONE).of(model)};
                expected.add(new Expected(stem + "scale", false, shape));
                expected.add(new Expected(stem + "input_scale", false, shape));
            }
        }
    }
}

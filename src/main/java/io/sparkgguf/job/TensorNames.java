package io.sparkgguf.job;

import java.util.List;
import java.util.stream.Stream;

/** Names stages after the tensors that they are about, for those who look at the Spark UI. */
final class TensorNames {
    /** More names than these are told by their number, the first and the last. */
    private static final int SHOWN = 8;

    private TensorNames() {}

    /**
     * For example {@code blk.3: solve attn_q attn_k attn_v}, or {@code quantize: 201 tensors, token_embd … blk.15.ffn_up}.
     *
     * @param stage name of the stage; block names that it begins with are left out of the tensors'
     * @param tensors names as in GGUF; repeated ones count once
     */
    static String behind(String stage, Stream<String> tensors) {
        int colon = stage.indexOf(':');
        String block = colon < 0 ? "" : stage.substring(0, colon) + ".";
        List<String> names = tensors.distinct()
                .map(name -> name.startsWith(block) ? name.substring(block.length()) : name)
                .map(name -> name.endsWith(".weight") ? name.substring(0, name.length() - ".weight".length()) : name)
                .toList();
        if (names.isEmpty()) {
            return stage;
        }
        if (names.size() <= SHOWN) {
            return stage + (colon < 0 ? ": " : " ") + String.join(" ", names);
        }
        return stage + (colon < 0 ? ": " : " ") + names.size() + " tensors, " + names.get(0) + " … "
                + names.get(names.size() - 1);
    }
}

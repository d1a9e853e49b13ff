package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TensorNamesTest {
    @Test
    void aStageOfABlockNamesItsTensorsWithoutTheBlock() {
        assertEquals(
                "blk.3: solve attn_q attn_k attn_v.bias blk.31.attn_v",
                TensorNames.behind(
                        "blk.3: solve",
                        Stream.of(
                                "blk.3.attn_q.weight",
                                "blk.3.attn_q.weight",
                                "blk.3.attn_k.weight",
                                "blk.3.attn_v.bias",
                                "blk.31.attn_v.weight")));
        assertEquals(
                "quantize: output token_embd",
                TensorNames.behind("quantize", Stream.of("output.weight", "token_embd.weight")));
    }

    @Test
    void manyTensorsAreToldByTheFirstAndTheLast() {
        assertEquals(
                "quantize: 9 tensors, blk.0.ffn_up … blk.8.ffn_up",
                TensorNames.behind(
                        "quantize", IntStream.range(0, 9).mapToObj(block -> "blk." + block + ".ffn_up.weight")));
        assertEquals("quantize", TensorNames.behind("quantize", Stream.of()));
    }
}

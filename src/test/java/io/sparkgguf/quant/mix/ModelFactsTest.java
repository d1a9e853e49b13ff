package io.sparkgguf.quant.mix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ModelFactsTest {
    private static Metadata llama() {
        return new Metadata().putString("general.architecture", "llama").putU32("llama.block_count", 32);
    }

    @Test
    void factsComeFromTheKeysOfTheArchitecture() {
        Metadata metadata = llama().putU32("llama.attention.head_count", 32)
                .putU32("llama.attention.head_count_kv", 8)
                .putU32("llama.expert_count", 8)
                .putU32("qwen2.block_count", 5);
        assertEquals(new ModelFacts("llama", 32, 32, 8, 8), ModelFacts.from(metadata));
    }

    @Test
    void keyHeadsDefaultToHeadsAndTheRestToNone() {
        assertEquals(
                new ModelFacts("llama", 32, 16, 16, 0),
                ModelFacts.from(llama().putU32("llama.attention.head_count", 16)));
        assertEquals(
                new ModelFacts("odd", 0, 0, 0, 0),
                ModelFacts.from(new Metadata().putString("general.architecture", "odd")));
    }

    @Test
    void arraysCountByTheirFirstLayer() {
        Metadata metadata = llama().put(
                        "llama.attention.head_count", MetadataValue.Numbers.ofInts(MetadataType.U32, 24, 8))
                .put("llama.attention.head_count_kv", MetadataValue.Numbers.ofInts(MetadataType.I32, 6, 8));
        assertEquals(new ModelFacts("llama", 32, 24, 6, 0), ModelFacts.from(metadata));
        assertEquals(4, ModelFacts.from(metadata).headsPerKeyValueHead());
        assertEquals(0, new ModelFacts("rwkv7", 1, 8, 0, 0).headsPerKeyValueHead());
    }

    static Stream<Arguments> unusable() {
        String range = " must be a whole number from 0 to 2147483647 but is ";
        return Stream.of(
                Arguments.of(new Metadata(), "the metadata has no text under general.architecture"),
                Arguments.of(
                        llama().putString("llama.block_count", "32"), "llama.block_count" + range + "of type STRING"),
                Arguments.of(llama().putU32("llama.block_count", 1L << 31), "llama.block_count" + range + "2147483648"),
                Arguments.of(
                        llama().put("llama.expert_count", MetadataValue.Int.of(MetadataType.I32, -1)),
                        "llama.expert_count" + range + "-1"),
                Arguments.of(
                        llama().put("llama.attention.head_count", MetadataValue.Numbers.ofInts(MetadataType.U32)),
                        "llama.attention.head_count" + range + "an array of 0 U32"));
    }

    @ParameterizedTest
    @MethodSource("unusable")
    void unusableMetadataIsRefused(Metadata metadata, String reason) {
        assertEquals(
                "Cannot choose tensor types: " + reason,
                assertThrows(InvalidInputException.class, () -> ModelFacts.from(metadata))
                        .getMessage());
    }

    @Test
    void layersAreReadFromNames() {
        assertEquals(OptionalInt.of(12), TensorOrder.layer("blk.12.attn_q.weight"));
        assertEquals(OptionalInt.of(Integer.MAX_VALUE), TensorOrder.layer("blk.99999999999999999999.x"));
        for (String name : List.of("blk.x.weight", "v.blk.3.weight", "output.weight", "blk.", "")) {
            assertEquals(OptionalInt.empty(), TensorOrder.layer(name), name);
        }
    }

    @Test
    void namesAreOrderedByBytes() {
        // U+10000 sorts after U+FFFF in UTF-8, but before it in UTF-16
        List<String> sorted = Stream.of("blk.10.a", "b\uD800\uDC00", "b\uFFFF", "blk.9.b", "z", "blk.9.a")
                .sorted(TensorOrder.BY_LAYER_THEN_NAME)
                .toList();
        assertEquals(List.of("b\uFFFF", "b\uD800\uDC00", "z", "blk.9.a", "blk.9.b", "blk.10.a"), sorted);
    }
}

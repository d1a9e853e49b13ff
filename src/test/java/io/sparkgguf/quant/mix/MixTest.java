package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The mixes where the recorded models do not reach: counters worked out by hand, experts, architectures, importance. */
class MixTest {
    /** Sixteen layers, so that an eighth is two layers and a sixteenth is one; two query heads a key head. */
    private static final Dimensions PLAIN = new Dimensions("llama", 1024, 2048, 16, 8, 4);

    private static final Dimensions SHARED = new Dimensions("llama", 1024, 2048, 16, 8, 2);
    private static final Dimensions FALCON = new Dimensions("falcon", 1024, 2048, 16, 8, 4);

    private static TypeChoices choose(Dimensions model, FileType type, boolean importance) {
        TypeOptions options = TypeOptions.builder(type)
                .importance(importance ? name -> true : null)
                .build();
        return TypeSelector.choose(Architectures.tensors(model), model.facts(), options);
    }

    /** The types of one kind of tensor, layer after layer. */
    private static List<BlockType> layers(Dimensions model, FileType type, boolean importance, String tensor) {
        TypeChoices choices = choose(model, type, importance);
        return IntStream.range(0, model.layers())
                .mapToObj(layer -> Architectures.choiceOf(choices, "blk." + layer + "." + tensor + ".weight")
                        .type())
                .toList();
    }

    private static List<BlockType> typesWhere(int layers, BlockType at, BlockType elsewhere, int... indices) {
        List<Integer> list = IntStream.of(indices).boxed().toList();
        return IntStream.range(0, layers)
                .mapToObj(layer -> list.contains(layer) ? at : elsewhere)
                .toList();
    }

    // of 16: 0 and 1 are the first eighth, 14 and 15 the last, and between them every third: 4, 7, 10, 13
    private static final int[] MORE_BITS = {0, 1, 4, 7, 10, 13, 14, 15};

    static Stream<Arguments> byLayer() {
        int n = 16;
        return Stream.of(
                Arguments.of(PLAIN, FileType.Q4_K_M, false, "attn_v", typesWhere(n, Q6_K, Q4_K, MORE_BITS)),
                Arguments.of(PLAIN, FileType.Q4_K_M, true, "ffn_down", typesWhere(n, Q6_K, Q4_K, MORE_BITS)),
                Arguments.of(PLAIN, FileType.Q5_K_M, false, "ffn_down", typesWhere(n, Q6_K, Q5_K, MORE_BITS)),
                Arguments.of(PLAIN, FileType.Q4_K_S, false, "attn_v", typesWhere(n, Q5_K, Q4_K, 0, 1, 2, 3)),
                Arguments.of(PLAIN, FileType.Q4_K_S, false, "ffn_down", typesWhere(n, Q5_K, Q4_K, 0, 1)),
                Arguments.of(PLAIN, FileType.Q3_K_M, false, "attn_v", typesWhere(n, Q5_K, Q4_K, 0, 1)),
                Arguments.of(PLAIN, FileType.Q3_K_M, false, "ffn_down", typesWhere(n, Q5_K, Q4_K, 0)),
                Arguments.of(PLAIN, FileType.Q4_0, false, "ffn_down", typesWhere(n, Q4_1, Q4_0)),
                Arguments.of(PLAIN, FileType.Q4_0, true, "ffn_down", typesWhere(n, Q4_1, Q4_0, 0, 1)),
                Arguments.of(PLAIN, FileType.Q5_0, true, "ffn_down", typesWhere(n, Q5_1, Q5_0, 0, 1)),
                Arguments.of(PLAIN, FileType.Q5_1, true, "ffn_down", typesWhere(n, Q5_1, Q5_1)),
                Arguments.of(PLAIN, FileType.IQ4_XS, false, "ffn_down", typesWhere(n, Q5_K, IQ4_XS, 0, 1)),
                Arguments.of(PLAIN, FileType.IQ4_XS, true, "ffn_down", typesWhere(n, Q5_K, IQ4_XS)),
                Arguments.of(PLAIN, FileType.IQ4_NL, false, "attn_v", typesWhere(n, Q5_K, IQ4_NL)),
                Arguments.of(SHARED, FileType.IQ4_NL, true, "attn_v", typesWhere(n, Q5_K, Q5_K)),
                Arguments.of(PLAIN, FileType.Q2_K, false, "attn_v", typesWhere(n, Q3_K, Q3_K)),
                Arguments.of(SHARED, FileType.Q2_K, false, "attn_v", typesWhere(n, Q4_K, Q4_K)),
                Arguments.of(PLAIN, FileType.Q2_K_S, true, "attn_v", typesWhere(n, Q2_K, Q2_K)),
                Arguments.of(SHARED, FileType.Q2_K_S, true, "attn_v", typesWhere(n, Q4_K, Q4_K)),
                Arguments.of(PLAIN, FileType.Q2_K_S, true, "ffn_down", typesWhere(n, Q4_K, Q2_K, 0, 1)),
                Arguments.of(PLAIN, FileType.IQ3_XXS, true, "attn_v", typesWhere(n, IQ3_XXS, IQ3_XXS)),
                Arguments.of(PLAIN, FileType.IQ3_XXS, false, "attn_v", typesWhere(n, IQ3_S, IQ3_S)),
                Arguments.of(PLAIN, FileType.IQ3_XXS, true, "ffn_down", typesWhere(n, IQ3_XXS, IQ3_XXS)),
                Arguments.of(PLAIN, FileType.IQ3_XXS, false, "ffn_down", typesWhere(n, Q4_K, Q3_K, 0, 1)),
                Arguments.of(PLAIN, FileType.IQ3_XS, true, "ffn_up", typesWhere(n, IQ3_S, IQ3_XXS, 0, 1, 14, 15)),
                Arguments.of(PLAIN, FileType.IQ2_M, true, "ffn_down", typesWhere(n, IQ3_S, IQ2_S, 0, 1)),
                Arguments.of(FALCON, FileType.Q4_K_S, false, "ffn_down", typesWhere(n, Q4_K, Q4_K)),
                Arguments.of(FALCON, FileType.Q3_K_L, false, "attn_output", typesWhere(n, Q4_K, Q4_K)),
                Arguments.of(FALCON, FileType.Q3_K_L, false, "ffn_down", typesWhere(n, Q4_K, Q4_K)),
                Arguments.of(FALCON, FileType.Q2_K, false, "attn_output", typesWhere(n, Q2_K, Q2_K)));
    }

    @ParameterizedTest(name = "{1} {3} importance={2} {0}")
    @MethodSource("byLayer")
    void countsLayers(Dimensions model, FileType type, boolean importance, String tensor, List<BlockType> expected) {
        assertEquals(expected, layers(model, type, importance, tensor));
    }

    @Test
    void falconGivesFewerBitsToDownInThreeSteps() {
        List<BlockType> q4 = new ArrayList<>(typesWhere(16, Q5_K, Q4_K, MORE_BITS));
        q4.set(0, Q6_K);
        assertEquals(q4, layers(FALCON, FileType.Q4_K_M, false, "ffn_down"));
        List<BlockType> q3 = new ArrayList<>(typesWhere(16, Q4_K, Q3_K, MORE_BITS));
        q3.set(0, Q5_K);
        assertEquals(q3, layers(FALCON, FileType.Q3_K_M, false, "ffn_down"));
        assertEquals(
                Q8_0,
                Architectures.choiceOf(choose(FALCON, FileType.Q4_K_M, false), "output.weight")
                        .type());
    }

    @ParameterizedTest
    @CsvSource({
        // 70B: 80 layers with fewer key heads; values small beside the rest go from 3 or 4 bits to 5
        "llama, 80, 8, Q4_K_S, Q5_K",
        "llama, 80, 8, Q3_K_S, Q5_K",
        "llama, 80, 8, Q4_K_M, Q5_K",
        "llama, 80, 8, Q2_K, Q5_K",
        "llama, 80, 8, Q5_K_S, Q5_K",
        "llama, 80, 8, Q4_0, Q4_0",
        "llama, 80, 8, Q2_K_S, Q2_K",
        // as many key heads as heads: the first LLaMA 65B
        "llama, 80, 16, Q4_K_S, Q4_K",
        "llama, 79, 8, Q4_K_S, Q4_K",
        "qwen2, 80, 16, Q4_K_S, Q5_K",
        "qwen3, 80, 8, Q4_K_S, Q4_K",
        "deci, 80, 8, Q3_K_S, Q5_K",
        "olmo, 80, 16, Q3_K_S, Q5_K",
        "jais2, 68, 16, Q4_K_S, Q5_K"
    })
    void seventyBillionGivesValuesFiveBits(
            String architecture, int layers, int keyHeads, FileType type, BlockType expected) {
        Dimensions model = new Dimensions(architecture, 2048, 1024, layers, 16, keyHeads);
        // layer 13 is neither in the first eighth nor in the last, nor one of every third (10 + 3 k + 2)
        assertEquals(expected, layers(model, type, true, "attn_v").get(13));
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_K_M, Q8_0, Q8_0, Q5_K", "Q4_0, Q8_0, Q8_0, Q4_0", "Q2_K, Q8_0, Q8_0, Q5_K", "Q3_K_L, Q8_0, Q8_0, Q3_K",
        "Q3_K_M, Q8_0, Q8_0, Q5_K", "Q5_K_M, Q8_0, Q8_0, Q5_K", "Q6_K, Q8_0, Q8_0, Q6_K", "IQ4_XS, Q8_0, Q8_0, Q5_K",
        "IQ3_XXS, Q8_0, Q8_0, Q5_K", "IQ2_XS, Q4_K, Q4_K, Q5_K", "IQ1_S, Q4_K, Q4_K, Q5_K", "Q2_K_S, Q8_0, Q8_0, Q2_K"
    })
    void eightExpertsGiveAttentionMoreBits(FileType type, BlockType value, BlockType key, BlockType output) {
        Dimensions model = PLAIN.withExperts(8);
        assertEquals(value, layers(model, type, true, "attn_v").get(5));
        assertEquals(key, layers(model, type, true, "attn_k").get(5));
        assertEquals(output, layers(model, type, true, "attn_output").get(5));
    }

    @ParameterizedTest
    @CsvSource({"3, Q2_K", "4, Q4_K", "7, Q4_K", "64, Q4_K"})
    void fourExpertsCountAsSharedHeadsAtTwoBits(int experts, BlockType value) {
        assertEquals(
                value,
                layers(PLAIN.withExperts(experts), FileType.IQ2_XS, true, "attn_v")
                        .get(5));
    }

    @Test
    void iq3mGivesDownOfEightExpertsMoreBits() {
        assertEquals(
                typesWhere(16, Q4_K, IQ3_S, MORE_BITS),
                layers(PLAIN.withExperts(8), FileType.IQ3_M, true, "ffn_down_exps"));
        assertEquals(
                typesWhere(16, Q4_K, IQ3_S, 0, 1), layers(PLAIN.withExperts(4), FileType.IQ3_M, true, "ffn_down_exps"));
    }

    /** Split by expert, down has 8 tensors a layer: counting them would take layer 1 for layer 8. */
    @Test
    void layersOfExpertsAreReadFromNames() {
        List<InputTensor> tensors = new ArrayList<>();
        for (int layer = 0; layer < 16; layer++) {
            for (int expert = 0; expert < 8; expert++) {
                String name = "blk." + layer + ".ffn_down." + expert + ".weight";
                Architectures.matrix(tensors, F16, name, 256, 256);
            }
        }
        TypeChoices choices =
                TypeSelector.choose(tensors, PLAIN.withExperts(8).facts(), TypeOptions.of(FileType.Q4_K_M));
        List<BlockType> byLayer = typesWhere(16, Q6_K, Q4_K, MORE_BITS);
        for (TypeChoice choice : choices.choices()) {
            int layer = TensorOrder.layer(choice.name()).orElseThrow();
            assertEquals(byLayer.get(layer), choice.type(), choice.name());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "blk.16.ffn_down.weight, 'Cannot choose a type for blk.16.ffn_down.weight: its layer is not below the 16 of the model'",
        "enc.ffn_up.weight, 'Cannot choose a type for enc.ffn_up.weight: the name of a feed-forward tensor in a model of "
                + "experts must start with blk.N'"
    })
    void expertsOutsideTheLayersAreRefused(String name, String message) {
        List<InputTensor> tensors = List.of(new InputTensor(name, Shape.of(256, 256), F16));
        ModelFacts facts = PLAIN.withExperts(8).facts();
        TypeOptions options = TypeOptions.of(FileType.Q4_K_M);
        assertEquals(
                message,
                assertThrows(InvalidInputException.class, () -> TypeSelector.choose(tensors, facts, options))
                        .getMessage());
    }

    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"Q4_K_M", "Q5_K_M", "Q3_K_M"})
    void fusedAttentionGetsTheRulesOfValues(FileType type) {
        List<InputTensor> fused = new ArrayList<>();
        List<InputTensor> latent = new ArrayList<>();
        for (int layer = 0; layer < 16; layer++) {
            Architectures.matrix(fused, F16, "blk." + layer + ".attn_qkv.weight", 768, 256);
            Architectures.matrix(latent, F16, "blk." + layer + ".attn_kv_b.weight", 768, 256);
        }
        List<BlockType> values = layers(PLAIN, type, false, "attn_v");
        for (List<InputTensor> tensors : List.of(fused, latent)) {
            assertEquals(
                    values,
                    TypeSelector.choose(tensors, PLAIN.facts(), TypeOptions.of(type)).choices().stream()
                            .map(TypeChoice::type)
                            .toList());
        }
    }

    @Test
    void fusedAndSeparateValuesShareOneCounter() {
        List<InputTensor> tensors = new ArrayList<>();
        for (int layer = 0; layer < 8; layer++) {
            String kind = layer % 2 == 0 ? ".attn_v.weight" : ".attn_qkv.weight";
            Architectures.matrix(tensors, F16, "blk." + layer + kind, 256, 256);
        }
        List<BlockType> types =
                TypeSelector.choose(tensors, PLAIN.facts(), TypeOptions.of(FileType.Q4_K_M)).choices().stream()
                        .map(TypeChoice::type)
                        .toList();
        // of 8: first 0, last 7, and 1 + 3 k + 2 between
        assertEquals(typesWhere(8, Q6_K, Q4_K, 0, 3, 6, 7), types);
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_K_M, Q6_K, Q4_K, Q6_K", "Q8_0, Q8_0, Q8_0, Q8_0", "TQ1_0, Q6_K, Q4_K, Q6_K", "Q2_0, Q6_K, Q4_K, Q6_K",
        "Q1_0, Q6_K, Q1_0, Q6_K", "IQ2_XS, Q5_K, Q2_K, Q5_K", "IQ2_M, Q5_K, IQ3_S, Q5_K", "IQ3_XXS, Q5_K, IQ3_S, Q5_K",
        "IQ3_M, Q6_K, IQ3_S, Q6_K", "MXFP4_MOE, Q8_0, Q8_0, Q8_0", "Q4_0, Q6_K, Q4_0, Q6_K"
    })
    void tiedEmbeddingsAreTreatedAsOutput(FileType type, BlockType output, BlockType embedding, BlockType tied) {
        TypeChoices apart = choose(PLAIN, type, true);
        assertEquals(output, Architectures.choiceOf(apart, "output.weight").type());
        assertEquals(
                embedding, Architectures.choiceOf(apart, "token_embd.weight").type());
        TypeChoice shared = Architectures.choiceOf(choose(PLAIN.withTied(true), type, true), "token_embd.weight");
        assertEquals(tied, shared.type());
    }

    @Test
    void mxfp4GoesToStacksOfExpertsOnly() {
        TypeChoices choices = choose(PLAIN.withExperts(4), FileType.MXFP4_MOE, false);
        assertEquals(
                MXFP4,
                Architectures.choiceOf(choices, "blk.3.ffn_up_exps.weight").type());
        assertEquals(
                Q8_0, Architectures.choiceOf(choices, "blk.3.attn_q.weight").type());
        assertEquals(
                F32,
                Architectures.choiceOf(choices, "blk.3.ffn_gate_inp.weight").type());

        List<InputTensor> stacks = new ArrayList<>();
        Architectures.matrix(stacks, F16, "blk.0.attn_k_b.weight", 4, 256, 256);
        Architectures.matrix(stacks, F16, "blk.0.ffn_down_exps.weight", 4, 256, 256);
        ModelFacts bailing = new ModelFacts("bailingmoe3", 1, 4, 4, 4);
        ModelFacts other = new ModelFacts("deepseek2", 1, 4, 4, 4);
        TypeOptions options = TypeOptions.of(FileType.MXFP4_MOE);
        assertEquals(
                List.of(Q8_0, MXFP4),
                TypeSelector.choose(stacks, bailing, options).choices().stream()
                        .map(TypeChoice::type)
                        .toList());
        assertEquals(
                List.of(MXFP4, MXFP4),
                TypeSelector.choose(stacks, other, options).choices().stream()
                        .map(TypeChoice::type)
                        .toList());
    }

    @Test
    void layersAreCountedByNameWhereMetadataIsSilent() {
        ModelFacts silent = new ModelFacts("unheard-of", 0, 0, 0, 0);
        TypeChoices choices =
                TypeSelector.choose(Architectures.tensors(PLAIN), silent, TypeOptions.of(FileType.Q4_K_M));
        assertEquals(choose(PLAIN, FileType.Q4_K_M, false).choices(), choices.choices());
    }

    @Test
    void detailSaysWhatHappenedAndWhy() {
        TypeChoices choices = choose(PLAIN.withExperts(8), FileType.Q4_K_M, false);
        assertEquals(
                "attn_v of layer 3: more bits in Q4_K_M, eight experts",
                Architectures.choiceOf(choices, "blk.3.attn_v.weight").detail());
        assertEquals(
                "main type of Q4_K_M",
                Architectures.choiceOf(choices, "blk.3.attn_q.weight").detail());
        assertEquals(
                "attn_v of layer 4: more bits in Q4_K_M",
                Architectures.choiceOf(choose(PLAIN, FileType.Q4_K_M, false), "blk.4.attn_v.weight")
                        .detail());
        assertEquals(
                "ffn_up of layer 4: fewer bits in IQ3_XS",
                Architectures.choiceOf(choose(PLAIN, FileType.IQ3_XS, false), "blk.4.ffn_up.weight")
                        .detail());
        assertEquals(
                "token_embd.weight: more bits in Q4_K_M, it serves as output too",
                Architectures.choiceOf(choose(PLAIN.withTied(true), FileType.Q4_K_M, false), "token_embd.weight")
                        .detail());
    }
}

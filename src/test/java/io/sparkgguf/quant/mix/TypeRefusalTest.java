package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Rows that blocks do not divide, and everything else that is refused or replaced. */
class TypeRefusalTest {
    private static final Dimensions MODEL = new Dimensions("llama", 1024, 2048, 4, 8, 4);

    private static TypeChoices select(Dimensions model, TypeOptions options) {
        return TypeSelector.select(Architectures.tensors(model), model.facts(), options);
    }

    private static TypeChoice selectOne(String name, Encoding encoding, TypeOptions options, long... shape) {
        return TypeSelector.select(List.of(new InputTensor(name, Shape.of(shape), encoding)), MODEL.facts(), options)
                .choices()
                .get(0);
    }

    private static String refusal(Runnable selection) {
        return assertThrows(InvalidInputException.class, selection::run).getMessage();
    }

    private static List<TypeOverride> overrides(String... texts) {
        return Arrays.stream(texts).map(TypeOverride::parse).toList();
    }

    private static TypeOptions.Builder q4() {
        return TypeOptions.builder(FileType.Q4_K_M);
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_K_S, 160, Q4_K, Q5_0", "Q5_K_S, 160, Q5_K, Q5_1", "Q6_K, 160, Q6_K, Q8_0", "Q3_K_S, 160, Q3_K, Q4_0",
        "Q2_0, 160, Q2_0, Q4_0", "TQ1_0, 160, TQ1_0, Q4_0", "TQ2_0, 2880, TQ2_0, Q4_0", "IQ4_XS, 2880, IQ4_XS, IQ4_NL",
        "Q4_K_S, 2880, Q4_K, Q5_0", "Q4_K_S, 128, Q4_K, Q5_0", "Q6_K, 128, Q6_K, Q8_0", "Q4_K_S, 80, Q4_K, F16",
        "Q4_0, 80, Q4_0, F16", "Q8_0, 20, Q8_0, F16", "IQ4_NL, 80, IQ4_NL, F16", "Q5_K_S, 33, Q5_K, F16"
    })
    void rowsThatBlocksDoNotDivideGetASubstitute(FileType type, long columns, BlockType wanted, BlockType expected) {
        for (boolean pure : new boolean[] {false, true}) {
            TypeOptions options = TypeOptions.builder(type).pure(pure).build();
            TypeChoice choice = selectOne("blk.0.attn_q.weight", F32, options, 64, columns);
            assertEquals(expected, choice.type());
            assertEquals(wanted, choice.wanted());
            assertEquals(Rule.FALLBACK, choice.rule());
            assertEquals(
                    "instead of " + wanted + ", whose blocks of " + wanted.blockElements() + " do not divide rows of "
                            + columns + " columns",
                    choice.detail());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_K_M, 160, Q6_K, Q8_0",
        "Q4_0, 160, Q6_K, Q8_0",
        "Q4_K_M, 80, Q6_K, F16",
        "IQ2_XS, 160, Q5_K, Q8_0",
        "IQ3_XXS, 160, Q5_K, Q8_0",
        "Q2_0, 192, Q6_K, Q8_0"
    })
    void theOutputGetsEightBitsAsSubstitute(FileType type, long columns, BlockType wanted, BlockType expected) {
        TypeOptions options = TypeOptions.of(type);
        List<InputTensor> tensors = List.of(new InputTensor("output.weight", Shape.of(64, columns), F16));
        TypeChoices choices = TypeSelector.choose(tensors, MODEL.facts(), options);
        assertEquals(expected, choices.choices().get(0).type());
        assertEquals(wanted, choices.choices().get(0).wanted());
        assertEquals(choices.choices(), choices.fallbacks());
    }

    @Test
    void substitutesCanBeForbidden() {
        TypeOptions options =
                TypeOptions.builder(FileType.Q4_K_S).noFallback(true).build();
        assertEquals(
                "Cannot quantize blk.1.attn_k.weight to Q4_K: its rows have 160 columns, not a multiple of the block of 256, "
                        + "and --no-fallback forbids Q5_0 instead",
                refusal(() -> selectOne("blk.1.attn_k.weight", F16, options, 64, 160)));
        assertEquals(
                Q4_K, selectOne("blk.1.attn_k.weight", F16, options, 64, 512).type());
    }

    @Test
    void typesWithoutSubstituteAreRefused() {
        TypeOptions options = TypeOptions.of(FileType.Q1_0);
        assertEquals(
                "Cannot quantize blk.1.attn_k.weight to Q1_0: its rows have 160 columns, not a multiple of the block of 128, "
                        + "and there is no substitute for this type",
                refusal(() -> selectOne("blk.1.attn_k.weight", F16, options, 64, 160)));
    }

    @Test
    void typesAskedForByNameGetNoSubstitute() {
        String start = "its rows have 160 columns, not a multiple of the block of 256 (--";
        assertEquals(
                "Cannot quantize output.weight to Q4_K: " + start + "output-tensor-type Q4_K)",
                refusal(() -> selectOne(
                        "output.weight", F16, q4().outputTensorType(Q4_K).build(), 64, 160)));
        assertEquals(
                "Cannot quantize token_embd.weight to Q2_K: " + start + "token-embedding-type Q2_K)",
                refusal(() -> selectOne(
                        "token_embd.weight", F16, q4().tokenEmbeddingType(Q2_K).build(), 64, 160)));
        TypeOptions pattern = q4().overrides(overrides("attn_[qk]=Q6_K")).build();
        assertEquals(
                "Cannot quantize blk.0.attn_q.weight to Q6_K: " + start + "tensor-type attn_[qk]=Q6_K)",
                refusal(() -> selectOne("blk.0.attn_q.weight", F16, pattern, 64, 160)));
    }

    @Test
    void quantizingTwiceNeedsLeave() {
        List<InputTensor> tensors = Architectures.tensors(MODEL, Q8_0);
        assertEquals(
                "Cannot quantize output.weight to Q6_K: it is quantized to Q8_0 already, and twice costs accuracy; "
                        + "--allow-requantize does it nevertheless",
                refusal(() -> TypeSelector.select(tensors, MODEL.facts(), q4().build())));
        TypeChoices allowed = TypeSelector.select(
                tensors, MODEL.facts(), q4().allowRequantize(true).build());
        assertEquals(Q6_K, Architectures.choiceOf(allowed, "output.weight").type());
        // what has its type already is copied, and needs no leave
        TypeChoices same = TypeSelector.select(tensors, MODEL.facts(), TypeOptions.of(FileType.Q8_0));
        assertTrue(same.choices().stream().allMatch(TypeChoice::isCopied));
        // making floats of blocks is no better
        assertTrue(refusal(() -> TypeSelector.select(tensors, MODEL.facts(), TypeOptions.of(FileType.F16)))
                .startsWith("Cannot quantize output.weight to F16: it is quantized to Q8_0 already"));
    }

    @Test
    void lowBitsNeedImportance() {
        TypeOptions none = TypeOptions.of(FileType.Q2_K_S);
        assertEquals(
                "Cannot quantize blk.0.attn_k.weight to Q2_K in Q2_K_S without an importance matrix: give one with --imatrix",
                refusal(() -> select(MODEL, none)));
        TypeOptions partial = TypeOptions.builder(FileType.Q2_K_S)
                .importance(name -> !name.equals("blk.2.ffn_up.weight"))
                .build();
        assertEquals(
                "Cannot quantize blk.2.ffn_up.weight to Q2_K in Q2_K_S: the importance matrix has no entry for it",
                refusal(() -> select(MODEL, partial)));
        TypeOptions all = TypeOptions.builder(FileType.Q2_K_S)
                .importance(name -> name.startsWith("blk."))
                .build();
        assertEquals(
                Q2_K,
                Architectures.choiceOf(select(MODEL, all), "token_embd.weight").type());
        assertEquals(
                Q2_K,
                Architectures.choiceOf(select(MODEL, TypeOptions.of(FileType.Q2_K)), "blk.0.attn_k.weight")
                        .type());
    }

    @ParameterizedTest
    @CsvSource({
        "IQ1_S, IQ1_S",
        "IQ1_M, IQ1_M",
        "IQ2_XXS, IQ2_XXS",
        "IQ2_XS, IQ2_XS",
        "IQ2_S, IQ2_XS",
        "IQ2_M, IQ2_S",
        "IQ3_XXS, IQ2_S",
        "IQ3_XS, IQ3_XXS"
    })
    void latticesNeedImportance(FileType fileType, BlockType type) {
        TypeOptions options = TypeOptions.of(fileType);
        TypeChoices choices = TypeSelector.choose(Architectures.tensors(MODEL), MODEL.facts(), options);
        String message = refusal(() -> TypeSelector.check(choices, options));
        assertTrue(
                message.matches("Cannot quantize blk\\.\\S+ to " + type + " in " + fileType
                        + " without an importance matrix: give one with --imatrix"),
                message);
    }

    @Test
    void typesWithoutEncoderCannotBeSelected() {
        assertTrue(refusal(() -> select(MODEL, TypeOptions.of(FileType.IQ3_M)))
                .startsWith("Cannot use type IQ3_M: known, but IQ3_S has no encoder yet. Available: F32, "));
        assertTrue(refusal(() -> q4().outputTensorType(IQ2_XS).build())
                .startsWith(
                        "Cannot use tensor type IQ2_XS: known, but it has no encoder yet. Available: F32, F16, Q4_0"));
        assertTrue(refusal(() -> q4().tokenEmbeddingType(I32).build())
                .startsWith("Cannot use tensor type I32: not a type for weights. Known: "));
    }

    @Test
    void optionsThatContradictAreRefused() {
        assertEquals(
                "Cannot combine --leave-output-tensor with --output-tensor-type Q8_0: one keeps output.weight as it is, the"
                        + " other changes it",
                refusal(() ->
                        q4().leaveOutputTensor(true).outputTensorType(Q8_0).build()));
        assertEquals(
                "Cannot combine type COPY with --tensor-type: COPY keeps every tensor as it is",
                refusal(() -> TypeOptions.builder(FileType.COPY)
                        .overrides(overrides("x=F16"))
                        .build()));
        assertEquals(
                "Cannot combine type COPY with --pure: COPY keeps every tensor as it is",
                refusal(() -> TypeOptions.builder(FileType.COPY).pure(true).build()));
    }

    /** Whatever the shapes, options and type: what is chosen can be stored, or the selection is refused. */
    @ParameterizedTest
    @EnumSource(FileType.class)
    void blocksAlwaysDivideRows(FileType type) {
        long seed = 20 + type.ordinal();
        Random random = new Random(seed);
        int chosen = 0;
        for (int round = 0; round < 100; round++) {
            Dimensions model = randomModel(random);
            boolean copy = type == FileType.COPY;
            TypeOptions options = TypeOptions.builder(type)
                    .pure(!copy && random.nextInt(4) == 0)
                    .noFallback(random.nextInt(4) == 0)
                    .tokenEmbeddingType(!copy && random.nextInt(6) == 0 ? Q5_K : null)
                    .outputTensorType(!copy && random.nextInt(6) == 0 ? Q4_0 : null)
                    .overrides(!copy && random.nextInt(6) == 0 ? overrides("ffn_up=Q6_K") : List.of())
                    .importance(random.nextBoolean() ? name -> true : null)
                    .build();
            try {
                TypeChoices choices = TypeSelector.choose(Architectures.tensors(model), model.facts(), options);
                for (TypeChoice choice : choices.choices()) {
                    assertEquals(
                            0,
                            choice.shape().columns() % choice.type().blockElements(),
                            () -> "seed " + seed + ": " + choice);
                    assertEquals(choice.rule() == Rule.FALLBACK, choice.type() != choice.wanted(), choice::toString);
                    assertFalse(options.noFallback() && choice.rule() == Rule.FALLBACK);
                }
                chosen++;
            } catch (InvalidInputException e) {
                assertTrue(e.getMessage().contains("not a multiple of the block of"), "seed " + seed + ": " + e);
            }
        }
        assertTrue(chosen > 0, "seed " + seed + ": every model was refused");
    }

    private static Dimensions randomModel(Random random) {
        int[] widths = {64, 96, 128, 160, 256, 512, 768, 1024, 2880};
        int heads = 1 << random.nextInt(5);
        int keyHeads = Math.max(1, heads >> random.nextInt(4));
        String architecture = random.nextInt(5) == 0 ? "falcon" : "llama";
        int[] experts = {0, 0, 2, 8};
        return new Dimensions(
                architecture,
                widths[random.nextInt(widths.length)],
                widths[random.nextInt(widths.length)] + (random.nextInt(8) == 0 ? 5 : 0),
                32 + random.nextInt(100),
                1 + random.nextInt(20),
                heads,
                keyHeads,
                16 << random.nextInt(4),
                experts[random.nextInt(experts.length)],
                random.nextBoolean());
    }
}

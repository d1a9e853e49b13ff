package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TypeSelectorTest {
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
    @ValueSource(
            strings = {
                "blk.0.attn_norm.weight",
                "blk.0.ffn_gate_inp.weight",
                "blk.0.ffn_gate_tid2eid.weight",
                "altup_proj.weight",
                "blk.0.laurel_l.weight",
                "per_layer_model_proj.weight",
                "position_embd.weight",
                "token_types.weight",
                "blk.0.ssm_conv1d.weight",
                "blk.0.shortconv.conv.weight",
                "blk.0.indexer.k_proj.weight",
                "blk.0.time_mix_w1.weight",
                "blk.0.time_mix_lerp_fused.weight",
                "enc.blk.0.attn_rel_b.weight",
                "v.position_embd.weight",
                "v.patch_embd.weight",
                "v.sam.neck.0.weight",
                "mm.patch_merger.weight",
                "a.rvq.codebook.weight",
                "blk.0.attn_q.bias",
                "blk.0.attn_q.scale",
                "weight.data"
            })
    void smallAndSensitiveTensorsAreKept(String name) {
        TypeOptions options = q4().overrides(overrides(".=Q8_0")).build();
        TypeChoice choice = selectOne(name, BF16, options, 256, 256);
        assertEquals(Rule.KEPT, choice.rule());
        assertEquals(BF16, choice.type());
        assertTrue(choice.isCopied());
    }

    @ParameterizedTest
    @CsvSource({"token_embd.weight", "blk.0.attn_q.weight", "blk.0.ffn_gate_inp_shexp.weight", "nextn.eh_proj.weight"})
    void othersAreQuantized(String name) {
        assertFalse(selectOne(name, BF16, q4().build(), 256, 256).isCopied());
    }

    /** ggml drops outer dimensions of 1, so a matrix of one row is a vector to it, and a stack of one a matrix. */
    @Test
    void outerDimensionsOfOneDoNotCount() {
        assertEquals(
                Rule.KEPT,
                selectOne("blk.0.w.weight", F16, q4().build(), 1, 1, 256).rule());
        assertEquals(
                Q4_K, selectOne("blk.0.w.weight", F16, q4().build(), 2, 256).type());
        assertEquals(
                Q4_K, selectOne("blk.0.w.weight", F16, q4().build(), 2, 1, 256).type());
        TypeOptions moe = TypeOptions.of(FileType.MXFP4_MOE);
        assertEquals(Q8_0, selectOne("blk.0.w.weight", F16, moe, 1, 4, 256).type());
        assertEquals(MXFP4, selectOne("blk.0.w.weight", F16, moe, 4, 1, 256).type());
    }

    @Test
    void theModelsWordWinsOverEverything() {
        InputTensor norm = new InputTensor("blk.0.attn_norm.weight", Shape.of(256), DType.BF16, F32);
        InputTensor router = new InputTensor("blk.0.router.weight", Shape.of(8, 256), DType.BF16, F32);
        for (FileType type : List.of(FileType.Q4_K_M, FileType.F16, FileType.COPY)) {
            List<TypeChoice> choices = TypeSelector.select(List.of(norm, router), MODEL.facts(), TypeOptions.of(type))
                    .choices();
            choices.forEach(choice -> assertEquals(F32, choice.type(), choice.name()));
            choices.forEach(choice -> assertEquals(Rule.KEPT, choice.rule()));
            choices.forEach(choice -> assertFalse(choice.isCopied()));
        }
    }

    @ParameterizedTest
    @CsvSource({"I8", "I16", "I32", "I64", "F64"})
    void numbersThatAreNoWeightsAreCopied(BlockType type) {
        TypeChoice choice = selectOne("blk.0.table.weight", type, q4().build(), 256, 256);
        assertEquals(Rule.COPY, choice.rule());
        assertEquals(type, choice.type());
        assertEquals("holds numbers of type " + type, choice.detail());
    }

    @Test
    void doublePrecisionOfACheckpointIsQuantized() {
        assertEquals(
                Q4_K,
                selectOne("blk.0.w.weight", DType.F64, q4().build(), 256, 256).type());
        assertEquals(
                I32,
                selectOne("blk.0.w.weight", DType.I32, q4().build(), 256, 256).type());
    }

    @Test
    void whatGgufHasNoTypeForIsRefused() {
        assertEquals(
                "Cannot keep blk.0.w.weight as it is: GGUF has no type U16",
                refusal(() -> selectOne("blk.0.w.weight", DType.U16, q4().build(), 256, 256)));
    }

    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"F32", "F16", "BF16"})
    void scalarTypesConvertMatricesAndKeepTheRest(FileType type) {
        TypeChoices choices =
                TypeSelector.select(Architectures.tensors(MODEL, BF16), MODEL.facts(), TypeOptions.of(type));
        for (TypeChoice choice : choices.choices()) {
            boolean vector = choice.shape().rank() == 1;
            assertEquals(vector ? Rule.KEPT : Rule.DEFAULT, choice.rule(), choice.name());
            assertEquals(vector ? F32 : type.mainType().orElseThrow(), choice.type(), choice.name());
        }
    }

    @Test
    void copyCopies() {
        TypeOptions options = TypeOptions.of(FileType.COPY);
        List<InputTensor> tensors = Architectures.tensors(MODEL, Q5_1);
        TypeChoices choices = TypeSelector.select(tensors, MODEL.facts(), options);
        assertTrue(choices.choices().stream().allMatch(choice -> choice.isCopied() && choice.rule() == Rule.COPY));
        assertEquals(choices.sourceBytes(), choices.bytes());
    }

    @Test
    void pureGivesTheMainTypeToAll() {
        TypeChoices choices = select(MODEL, q4().pure(true).build());
        choices.choices().stream()
                .filter(choice -> choice.rule() != Rule.KEPT)
                .forEach(choice -> assertEquals(Q4_K, choice.type(), choice.name()));
        TypeChoice output = Architectures.choiceOf(choices, "output.weight");
        assertEquals(Rule.DEFAULT, output.rule());
        assertEquals("--pure Q4_K_M", output.detail());
    }

    @Test
    void optionsForOutputAndEmbeddingsWinOverPatterns() {
        TypeOptions options = q4().outputTensorType(Q8_0)
                .tokenEmbeddingType(F16)
                .overrides(overrides("^output\\.weight|token_embd=Q4_0"))
                .build();
        TypeChoices choices = select(MODEL, options);
        TypeChoice output = Architectures.choiceOf(choices, "output.weight");
        assertEquals(Q8_0, output.type());
        assertEquals(Rule.OUTPUT_OPTION, output.rule());
        assertEquals("--output-tensor-type Q8_0", output.detail());
        TypeChoice embedding = Architectures.choiceOf(choices, "token_embd.weight");
        assertEquals(F16, embedding.type());
        assertEquals(Rule.EMBEDDING_OPTION, embedding.rule());
        assertEquals(
                List.of(
                        "--tensor-type ^output\\.weight|token_embd=Q4_0 has no effect: earlier patterns or other options"
                                + " decide all tensors that it is found in"),
                choices.warnings());
    }

    @Test
    void optionsReachTiedEmbeddings() {
        Dimensions tied = MODEL.withTied(true);
        TypeOptions output = q4().outputTensorType(Q8_0).build();
        TypeChoice choice = Architectures.choiceOf(select(tied, output), "token_embd.weight");
        assertEquals(Q8_0, choice.type());
        assertEquals(Rule.OUTPUT_OPTION, choice.rule());
        TypeOptions both = q4().outputTensorType(Q8_0).tokenEmbeddingType(Q5_K).build();
        TypeChoices choices = select(tied, both);
        assertEquals(Q5_K, Architectures.choiceOf(choices, "token_embd.weight").type());
        assertEquals(List.of("--output-tensor-type has no effect: the model has no output.weight"), choices.warnings());
    }

    @Test
    void theEmbeddingsOfLayersCanBeNamedByAPattern() {
        TypeOptions options = q4().tokenEmbeddingType(Q8_0)
                .overrides(overrides("token_embd=Q5_0"))
                .build();
        assertEquals(
                Q5_0,
                selectOne("per_layer_token_embd.weight", F16, options, 256, 256).type());
        assertEquals(
                Q8_0, selectOne("token_embd.weight", F16, options, 256, 256).type());
    }

    @Test
    void outputCanBeLeft() {
        TypeOptions options = q4().leaveOutputTensor(true).build();
        TypeChoice output = Architectures.choiceOf(select(MODEL, options), "output.weight");
        assertEquals(F16, output.type());
        assertEquals(Rule.OUTPUT_OPTION, output.rule());
        assertEquals(
                List.of("--leave-output-tensor has no effect: the model has no output.weight"),
                select(MODEL.withTied(true), options).warnings());
    }

    @Test
    void theFirstPatternFoundWinsAndStopsTheMix() {
        TypeOptions options = q4().overrides(overrides("blk\\.[01]\\.ffn=Q8_0", "ffn_down=Q5_0", "attn_v\\.=Q4_K"))
                .build();
        TypeChoices choices = select(MODEL, options);
        assertEquals(
                Q8_0, Architectures.choiceOf(choices, "blk.1.ffn_down.weight").type());
        TypeChoice second = Architectures.choiceOf(choices, "blk.2.ffn_down.weight");
        assertEquals(Q5_0, second.type());
        assertEquals(Rule.OVERRIDE, second.rule());
        assertEquals("--tensor-type ffn_down=Q5_0", second.detail());
        TypeChoice value = Architectures.choiceOf(choices, "blk.3.attn_v.weight");
        assertEquals(Q4_K, value.type());
        assertEquals(Rule.OVERRIDE, value.rule());
        assertEquals(List.of(), choices.warnings());
    }

    /** Tensors with an override are not counted: the next one takes their place in the mix, as in llama-quantize. */
    @Test
    void overriddenTensorsDoNotCountInTheMix() {
        Dimensions eight = new Dimensions("llama", 1024, 2048, 8, 8, 4);
        TypeChoices choices = select(
                eight, q4().overrides(overrides("blk\\.0\\.ffn_down=Q5_0")).build());
        assertEquals(
                Q6_K, Architectures.choiceOf(choices, "blk.1.ffn_down.weight").type());
        assertEquals(
                Q4_K, Architectures.choiceOf(choices, "blk.3.ffn_down.weight").type());
        assertEquals(
                Q4_K,
                Architectures.choiceOf(select(eight, q4().build()), "blk.1.ffn_down.weight")
                        .type());
    }

    @Test
    void patternsKeepTheirCase() {
        List<TypeOverride> shouted = overrides("ATTN_V=Q8_0");
        TypeChoices choices = select(MODEL, q4().overrides(shouted).build());
        assertEquals(
                Rule.MIX, Architectures.choiceOf(choices, "blk.3.attn_v.weight").rule());
        assertEquals(
                List.of("--tensor-type ATTN_V=Q8_0 has no effect: the pattern is found in no tensor's name"),
                choices.warnings());
        // \S must not become \s
        TypeChoices spaced =
                select(MODEL, q4().overrides(overrides("attn\\Sv=Q8_0")).build());
        assertEquals(Q8_0, Architectures.choiceOf(spaced, "blk.3.attn_v.weight").type());
    }

    @Test
    void patternsWithoutEffectAreTold() {
        TypeChoices choices = select(
                MODEL,
                q4().overrides(overrides("_norm=Q8_0", "ffn=Q8_0", "ffn_up=Q5_0"))
                        .build());
        assertEquals(
                List.of(
                        "--tensor-type _norm=Q8_0 has no effect: the pattern is found only in tensors that are never"
                                + " quantized",
                        "--tensor-type ffn_up=Q5_0 has no effect: earlier patterns or other options decide all tensors"
                                + " that it is found in"),
                choices.warnings());
    }

    @Test
    void patternsHoldForScalarTypesToo() {
        TypeOptions options = TypeOptions.builder(FileType.BF16)
                .overrides(overrides("ffn_up=Q8_0"))
                .build();
        TypeChoices choices = select(MODEL, options);
        assertEquals(
                Q8_0, Architectures.choiceOf(choices, "blk.0.ffn_up.weight").type());
        assertEquals(
                BF16, Architectures.choiceOf(choices, "blk.0.ffn_down.weight").type());
    }

    @Test
    void theFileIsSortedByLayerThenName() {
        List<InputTensor> shuffled =
                new ArrayList<>(Architectures.tensors(new Dimensions("llama", 256, 256, 12, 8, 4)));
        Collections.shuffle(shuffled, new Random(5));
        List<String> names = TypeSelector.select(shuffled, MODEL.facts(), q4().build()).choices().stream()
                .map(TypeChoice::name)
                .toList();
        assertEquals(List.of("output.weight", "output_norm.weight", "token_embd.weight"), names.subList(0, 3));
        assertEquals("blk.0.attn_k.weight", names.get(3));
        assertEquals("blk.11.ffn_up.weight", names.get(names.size() - 1));
        assertTrue(names.indexOf("blk.2.attn_k.weight") < names.indexOf("blk.10.attn_k.weight"));
        List<String> kept =
                TypeSelector.select(
                                shuffled, MODEL.facts(), q4().keepOrder(true).build())
                        .choices()
                        .stream()
                        .map(TypeChoice::name)
                        .toList();
        assertEquals(shuffled.stream().map(InputTensor::name).toList(), kept);
    }

    @Test
    void sizesAreSumsOfBlocks() {
        List<InputTensor> tensors = List.of(
                new InputTensor("token_embd.weight", Shape.of(100, 256), F16),
                new InputTensor("output_norm.weight", Shape.of(256), F32));
        TypeChoices choices = TypeSelector.select(
                tensors,
                MODEL.facts(),
                TypeOptions.builder(FileType.Q4_K_M).pure(true).build());
        assertEquals(100 * 144 + 256 * 4, choices.bytes());
        assertEquals(100 * 256 * 2 + 256 * 4, choices.sourceBytes());
        assertEquals(101 * 256, choices.elements());
        assertEquals(8.0 * (100 * 144 + 256 * 4) / (101 * 256), choices.bitsPerWeight());
        assertEquals(0, new TypeChoices(List.of(), List.of()).bitsPerWeight());
    }
}

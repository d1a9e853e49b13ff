package io.sparkgguf.quant.mix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionParsersTest {
    private static String refusal(Executable parsing) {
        return assertThrows(InvalidInputException.class, parsing).getMessage();
    }

    @ParameterizedTest
    @CsvSource({
        "attn_v=q6_k, attn_v, Q6_K",
        "blk\\.(\\d)\\.=F16, blk\\.(\\d)\\., F16",
        "a=b=Q8_0, a=b, Q8_0",
        "attn(?=_v)=Nvfp4, attn(?=_v), NVFP4"
    })
    void overrideIsPatternAndType(String text, String pattern, BlockType type) {
        TypeOverride override = TypeOverride.parse(text);
        assertEquals(pattern, override.pattern().pattern());
        assertEquals(type, override.type());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "attn_v   | Cannot use tensor type override \"attn_v\": expected PATTERN=TYPE, for example attn_v=Q6_K",
                "=Q8_0    | Cannot use tensor type override \"=Q8_0\": expected PATTERN=TYPE, for example attn_v=Q6_K",
                "attn_v=  | Cannot use tensor type override \"attn_v=\": expected PATTERN=TYPE, for example attn_v=Q6_K",
                "a[=Q8_0  | Cannot use tensor name pattern \"a[\": Unclosed character class at character 1",
                "a=Q4_K_M | Cannot use tensor type \"Q4_K_M\": unknown; did you mean Q4_K? Known: F32, F16, Q4_0, Q4_1, ",
                "a=int8   | Cannot use tensor type \"int8\": unknown. Known: F32, F16, ",
                "a=I8     | Cannot use tensor type I8: not a type for weights. Known: F32, F16, ",
                "a=Q8_K   | Cannot use tensor type Q8_K: not a type for weights. Known: F32, F16, ",
                "a=iq2_xs | Cannot use tensor type IQ2_XS: known, but it has no encoder yet. Available: F32, F16, ",
            })
    void overrideOfAnotherFormIsRefused(String text, String start) {
        String message = refusal(() -> TypeOverride.parse(text));
        assertTrue(message.startsWith(start), message);
    }

    @Test
    void filesOfOverridesAreReadWordByWord() {
        List<TypeOverride> overrides = TensorTypeFile.parse("  a=Q8_0 b=q4_k\r\n\n\tblk\\.\\S=F16\n", "types.txt");
        assertEquals(
                List.of("a=Q8_0", "b=Q4_K", "blk\\.\\S=F16"),
                overrides.stream().map(TypeOverride::toString).toList());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'a=Q8_0\n\nb=Q8 c=F16' | Cannot read tensor types from types.txt, line 3: Cannot use tensor type \"Q8\": unknown",
                "'a=Q8_0 b'             | Cannot read tensor types from types.txt, line 1: Cannot use tensor type override \"b\"",
                "' \n '                 | Cannot read tensor types from types.txt: no PATTERN=TYPE in it",
                "''                     | Cannot read tensor types from types.txt: no PATTERN=TYPE in it",
            })
    void filesOfOverridesTellWhereTheyAreWrong(String text, String start) {
        String message = refusal(() -> TensorTypeFile.parse(text, "types.txt"));
        assertTrue(message.startsWith(start), message);
    }

    @Test
    void metadataOverridesAreTyped() {
        assertEquals(
                new MetadataOverride("llama.context_length", MetadataValue.Int.of(MetadataType.U32, 4294967295L)),
                MetadataOverride.parse("llama.context_length=int:4294967295"));
        assertEquals(
                new MetadataOverride("llama.rope.freq_base", new MetadataValue.Real(MetadataType.F32, 5e5)),
                MetadataOverride.parse("llama.rope.freq_base=float:5.0e5"));
        assertEquals(
                new MetadataOverride("x", new MetadataValue.Real(MetadataType.F32, 0.1f)),
                MetadataOverride.parse("x=float:.1"));
        assertEquals(new MetadataOverride("x", new MetadataValue.Bool(false)), MetadataOverride.parse("x=bool:false"));
        String longText = "a=b:c ".repeat(50);
        assertEquals(
                new MetadataOverride("general.name", new MetadataValue.Text(longText)),
                MetadataOverride.parse("general.name=str:" + longText));
        assertEquals(
                new MetadataOverride("general.name", new MetadataValue.Text("")),
                MetadataOverride.parse("general.name=str:"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "x=5          | expected KEY=TYPE:VALUE, for example tokenizer.ggml.add_bos_token=bool:false",
                "=int:5       | expected KEY=TYPE:VALUE, for example tokenizer.ggml.add_bos_token=bool:false",
                "x:int=5      | expected KEY=TYPE:VALUE, for example tokenizer.ggml.add_bos_token=bool:false",
                "x=integer:5  | type \"integer\" is unknown. Known: int, float, bool, str",
                "x=floot:5    | type \"floot\" is unknown; did you mean float? Known: int, float, bool, str",
                "x=int:five   | \"five\" is no whole number",
                "x=int:       | \"\" is no whole number",
                "x=int:1.5    | \"1.5\" is no whole number",
                "x=int:-1     | -1 is not from 0 to 4294967295",
                "x=int:4294967296           | 4294967296 is not from 0 to 4294967295",
                "x=int:99999999999999999999 | 99999999999999999999 is not from 0 to 4294967295",
                "x=float:NaN  | \"NaN\" is no number",
                "x=float:1f   | \"1f\" is no number",
                "x=float:1e39 | 1e39 is beyond the largest float, 3.4028235E38",
                "x=bool:True  | \"True\" is neither true nor false",
            })
    void metadataOverridesOfAnotherFormAreRefused(String text, String reason) {
        assertEquals(
                "Cannot override metadata with \"" + text + "\": " + reason,
                refusal(() -> MetadataOverride.parse(text)));
    }

    @Test
    void metadataOverridesKeepTheirPlace() {
        Metadata metadata = new Metadata().putU32("a", 1).putU32("b", 2);
        MetadataOverride.parse("a=int:7").applyTo(metadata);
        MetadataOverride.parse("c=bool:true").applyTo(metadata);
        assertEquals(List.of("a", "b", "c"), List.copyOf(metadata.asMap().keySet()));
        assertEquals(7, metadata.integer("a").orElseThrow());
    }

    private static final Map<String, Integer> ENTRIES =
            new TreeMap<>(Map.of("blk.0.attn_q.weight", 1, "blk.0.ffn_up.weight", 2, "blk.1.ffn_up.weight", 3));

    @Test
    void importanceIsFilteredBySubstrings() {
        assertEquals(ENTRIES, new ImportanceFilter(List.of(), List.of()).apply(ENTRIES));
        assertEquals(
                List.of(1, 3),
                List.copyOf(new ImportanceFilter(List.of("attn", "blk.1."), List.of())
                        .apply(ENTRIES)
                        .values()));
        assertEquals(
                List.of(1),
                List.copyOf(new ImportanceFilter(List.of(), List.of("ffn_up", "xyz"))
                        .apply(ENTRIES)
                        .values()));
    }

    @Test
    void importanceFiltersThatDoNothingAreTold() {
        assertEquals(
                List.of("--exclude-weights xyz has no effect: no entry of the importance matrix has this in its name"),
                new ImportanceFilter(List.of(), List.of("ffn_up", "xyz")).warnings(ENTRIES.keySet()));
        assertEquals(List.of(), new ImportanceFilter(List.of("attn"), List.of()).warnings(ENTRIES.keySet()));
    }

    @Test
    void importanceFiltersThatCannotBeMeantAreRefused() {
        assertEquals(
                "Cannot combine --include-weights with --exclude-weights: use one of them",
                refusal(() -> new ImportanceFilter(List.of("a"), List.of("b"))));
        assertEquals(
                "Cannot filter importance by an empty name: it is part of every name",
                refusal(() -> new ImportanceFilter(List.of(""), List.of())));
        assertEquals(
                "Cannot filter importance by --include-weights [xyz]: none of the 3 entries is left",
                refusal(() -> new ImportanceFilter(List.of("xyz"), List.of()).apply(ENTRIES)));
        assertEquals(Map.of(), new ImportanceFilter(List.of("xyz"), List.of()).apply(Map.of()));
    }
}

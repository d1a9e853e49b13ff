package io.sparkgguf.quant.mix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FileTypeTest {
    private static final Dimensions LLAMA_8B = new Dimensions("llama", 4096, 14336, 128256, 32, 32, 8, 128, 0, false);

    @ParameterizedTest
    @CsvSource({
        "Q4_K_M, Q4_K_M",
        "q4_k_m, Q4_K_M",
        "Q4_K, Q4_K_M",
        "q5_k, Q5_K_M",
        "Q3_k, Q3_K_M",
        "15, Q4_K_M",
        "0, F32",
        "1, F16",
        "32, BF16",
        "iq4_xs, IQ4_XS",
        "38, MXFP4_MOE",
        "copy, COPY",
        "tq1_0, TQ1_0",
        "' q8_0 ', Q8_0",
        "41, Q2_0"
    })
    void isFoundByNameAliasAndNumber(String text, FileType expected) {
        assertEquals(expected, FileType.parse(text));
    }

    @ParameterizedTest
    @EnumSource(FileType.class)
    void isFoundByItsOwnNameAndNumber(FileType type) {
        assertEquals(type, FileType.parse(type.name()));
        type.number().ifPresent(number -> assertEquals(type, FileType.parse(Integer.toString(number))));
        assertEquals(type == FileType.COPY ? OptionalInt.empty() : type.number(), type.number());
        assertFalse(type.help().contains("\n"));
    }

    @Test
    void numbersAreThoseOfTheFormat() {
        Set<Integer> numbers = new TreeSet<>();
        Arrays.stream(FileType.values()).forEach(type -> type.number().ifPresent(numbers::add));
        // 4 to 6 and 33 to 35 were removed, 39 (NVFP4) cannot be asked for
        Set<Integer> expected = new TreeSet<>();
        for (int number = 0; number <= 41; number++) {
            if (!(number >= 4 && number <= 6 || number >= 33 && number <= 35 || number == 39)) {
                expected.add(number);
            }
        }
        assertEquals(expected, numbers);
        assertEquals(OptionalInt.empty(), FileType.COPY.number());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Q4_KM | Cannot use type \"Q4_KM\": unknown; did you mean Q4_K_M? Known: F32, F16, BF16, Q8_0, ",
                "Q4_2  | Cannot use type \"Q4_2\": unknown; did you mean Q4_1 or Q4_0? Known: F32, ",
                "4     | Cannot use type \"4\": unknown. Known: F32, ",
                "-1    | Cannot use type \"-1\": unknown. Known: F32, ",
                "turbo | Cannot use type \"turbo\": unknown. Known: F32, ",
                "NVFP4 | Cannot use type \"NVFP4\": a type of single tensors (see --tensor-type), not of files. Known: F32, ",
                "MXFP4 | Cannot use type \"MXFP4\": a type of single tensors (see --tensor-type), not of files; did you mean MXFP4_MOE? Known: F32, ",
            })
    void theUnknownIsRefusedWithTheNearestKnown(String text, String start) {
        String message = assertThrows(InvalidInputException.class, () -> FileType.parse(text))
                .getMessage();
        assertTrue(message.startsWith(start), message);
        assertTrue(message.endsWith("MXFP4_MOE, COPY"), message);
    }

    @Test
    void anEmptyNameIsRefused() {
        String message = assertThrows(InvalidInputException.class, () -> FileType.parse(""))
                .getMessage();
        assertTrue(message.startsWith("Cannot use type \"\": unknown. Known: F32, "), message);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M"})
    void typesWithoutEncoderAreKnownButRefused(String name) {
        FileType type = FileType.parse(name);
        assertFalse(type.available());
        assertTrue(type.help().endsWith("not available yet"));
        String message = assertThrows(InvalidInputException.class, type::requireAvailable)
                .getMessage();
        assertTrue(message.startsWith("Cannot use type " + name + ": known, but IQ"), message);
        assertTrue(message.contains(" has no encoder yet. Available: F32, F16, "), message);
        assertFalse(message.contains("IQ3_XS,"), message);
    }

    @Test
    void allOthersAreAvailable() {
        EnumSet<FileType> available = EnumSet.allOf(FileType.class);
        available.removeIf(type -> !type.available());
        assertEquals(FileType.values().length - 10, available.size());
        available.forEach(type -> assertEquals(type, type.requireAvailable()));
    }

    /** The help's promise is the sum over a real model's tensors. */
    @ParameterizedTest
    @EnumSource(value = FileType.class, mode = EnumSource.Mode.EXCLUDE, names = "COPY")
    void bitsPerWeightAreThoseOfAnEightBillionModel(FileType type) {
        TypeOptions options = TypeOptions.builder(type)
                .importance(type.name().matches("IQ[12].*|IQ3_XXS") ? name -> true : null)
                .build();
        TypeChoices choices = TypeSelector.choose(Architectures.tensors(LLAMA_8B), LLAMA_8B.facts(), options);
        assertEquals(choices.bitsPerWeight(), type.bitsPerWeight(), 0.0051, type::help);
    }
}

package io.sparkgguf.quant.mix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The types that llama-quantize's own tests record for real models, without importance matrix, tensor by tensor. The
 * tensor lists are rebuilt from the dimensions in each file; what the files leave out, head size and tying, is given here.
 */
class KnownTypeChoicesTest {
    private static final Pattern DIMENSION = Pattern.compile("(\\w+)=(\\d+)");

    /** One mix of one recorded model: the tensors that differ from {@code main}. */
    private record Section(
            String model, Dimensions dimensions, String fileType, String main, Map<String, String> types) {
        @Override
        public String toString() {
            return model + " " + fileType;
        }
    }

    static Stream<Section> sections() {
        return Stream.of(
                        read("qwen3-0.6b", "qwen3", 128, false),
                        read("qwen3-14b", "qwen3", 128, false),
                        read("gemma-3-4b-it", "gemma3", 256, true),
                        read("meta-llama-3.1-70b-instruct", "llama", 128, false))
                .flatMap(List::stream);
    }

    @Test
    void everyFileTypeIsRecordedForEveryModel() {
        List<Section> sections = sections().toList();
        // of the types on offer, COPY has none to choose, and Q1_0 and Q2_0 are younger than the records
        assertEquals(4 * (FileType.values().length - 3), sections.size());
    }

    @ParameterizedTest
    @MethodSource("sections")
    void typesAreThoseRecorded(Section section) {
        FileType fileType = FileType.parse(section.fileType);
        assertEquals(section.main, fileType.mainType().orElseThrow().name());
        List<InputTensor> tensors = Architectures.tensors(section.dimensions, BlockType.F32);
        // the records hold types that need importance, chosen without any: not checked, therefore
        TypeOptions options = TypeOptions.of(fileType);
        Map<String, String> differing = new TreeMap<>();
        int quantizable = 0;
        for (TypeChoice choice : TypeSelector.choose(tensors, section.dimensions.facts(), options)
                .choices()) {
            if (choice.rule() == Rule.KEPT) {
                continue;
            }
            quantizable++;
            if (!choice.type().name().equals(section.main)) {
                differing.put(choice.name(), choice.type().name());
            }
        }
        assertEquals(new TreeMap<>(section.types), differing);
        assertEquals(7 * section.dimensions.layers() + (section.dimensions.tied() ? 1 : 2), quantizable);
    }

    private static List<Section> read(String model, String architecture, int headSize, boolean tied) {
        String resource = "/type-choices/" + model + ".schema";
        List<String> lines;
        try (InputStream in = KnownTypeChoicesTest.class.getResourceAsStream(resource)) {
            lines = new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Map<String, Integer> numbers = new HashMap<>();
        Matcher matcher = DIMENSION.matcher(lines.get(1));
        while (matcher.find()) {
            numbers.put(matcher.group(1), Integer.valueOf(matcher.group(2)));
        }
        Dimensions dimensions = new Dimensions(
                architecture,
                numbers.get("n_embd"),
                numbers.get("n_ff"),
                numbers.get("n_vocab"),
                numbers.get("n_layer"),
                numbers.get("n_head"),
                numbers.get("n_head_kv"),
                headSize,
                0,
                tied);
        List<Section> sections = new ArrayList<>();
        for (String line : lines.subList(2, lines.size())) {
            if (line.startsWith("[")) {
                String[] words = line.substring(1).split("] ");
                sections.add(new Section(model, dimensions, words[0], typeName(words[1]), new HashMap<>()));
            } else if (!line.isBlank()) {
                String[] words = line.split(" ");
                sections.get(sections.size() - 1).types.put(words[0], typeName(words[1]));
            }
        }
        assertTrue(sections.size() > 30, resource);
        return sections;
    }

    private static String typeName(String ggmlName) {
        return BlockType.of(ggmlName).orElseThrow().name();
    }
}

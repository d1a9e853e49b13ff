package io.sparkgguf.cli;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What choosing types by size is for: predictions nearer to the original's than those of a fixed mix as large. */
@Tag("long")
class TargetQualityTest {
    private static final String[] TEXT = {
        "--target-text", DOCS_LM + "/samples-calibration.txt", "--target-tokens", "2048"
    };

    @TempDir
    Path folder;

    @Test
    void chosenTypesDivergeLessThanFixedMixesOfTheSameSize() throws IOException {
        List<Path> models = new ArrayList<>();
        for (String mix : List.of("Q3_K_M", "Q4_K_M")) {
            Path fixed = Cli.quantize(folder.resolve(mix + ".gguf"), DOCS_LM, mix);
            models.add(fixed);
            models.add(sized(mix + "-role.gguf", Files.size(fixed)));
            models.add(sized(mix + "-text.gguf", Files.size(fixed), TEXT));
        }

        List<Double> kld = divergences(models);

        String told = "mean KLD of fixed mix, types by role, types by measured effect: " + kld;
        for (int mix = 0; mix < kld.size(); mix += 3) {
            assertTrue(kld.get(mix + 1) < 0.9 * kld.get(mix), told);
            assertTrue(kld.get(mix + 2) < 0.8 * kld.get(mix), told);
        }
    }

    private Path sized(String name, long bytes, String... more) throws IOException {
        Path output = folder.resolve(name);
        List<String> line = new ArrayList<>(List.of("quantize", "--model", DOCS_LM, "--output", output.toString()));
        line.addAll(List.of("--target-size", Long.toString(bytes)));
        line.addAll(List.of(more));
        Cli.Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(outcome.out().contains("--target-size " + bytes + ": "), outcome.out());
        assertTrue(Files.size(output) <= bytes && Files.size(output) >= 0.995 * bytes, Files.size(output) + " bytes");
        return output;
    }

    private List<Double> divergences(List<Path> models) throws IOException {
        Path report = folder.resolve("report.json");
        List<String> line = new ArrayList<>(List.of("evaluate", "--model", DOCS_LM, "--output", report.toString()));
        line.addAll(List.of("--text", DOCS_LM + "/samples-eval.txt", "--context", "256", "--chunks", "12"));
        models.forEach(model -> line.addAll(List.of("--gguf", model.toString())));
        Cli.Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        List<Double> means = new ArrayList<>();
        for (JsonNode model : new ObjectMapper().readTree(report.toFile()).get("models")) {
            means.add(model.get("comparison").get("kld").asDouble());
        }
        return means;
    }
}

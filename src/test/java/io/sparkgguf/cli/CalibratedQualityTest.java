package io.sparkgguf.cli;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What calibration is for: a model that predicts as the original does, on text that calibration never saw. */
@Tag("long")
class CalibratedQualityTest {
    @TempDir
    Path folder;

    @Test
    void gptqDivergesFarLessThanImportanceAndImportanceLessThanRounding() throws IOException {
        Path rtn = quantize("rtn");
        Path imatrix = quantize("imatrix", "--calibration", DOCS_LM + "/samples-calibration.txt");
        Path gptq = quantize("gptq", "--calibration", DOCS_LM + "/samples-calibration.txt");

        List<Double> kld = divergences(rtn, imatrix, gptq);

        assertTrue(kld.get(1) < kld.get(0), "mean KLD of rtn, imatrix, gptq: " + kld);
        assertTrue(kld.get(2) < 0.7 * kld.get(1), "mean KLD of rtn, imatrix, gptq: " + kld);
    }

    private Path quantize(String method, String... more) {
        Path output = folder.resolve(method + ".gguf");
        List<String> line = new ArrayList<>(List.of("quantize", "--model", DOCS_LM, "--output", output.toString()));
        line.addAll(List.of("--type", "Q3_K", "--pure", "--method", method));
        line.addAll(List.of("--token-embedding-type", "Q8_0", "--output-tensor-type", "Q8_0"));
        if (more.length > 0) {
            line.addAll(List.of("--calibration-tokens", "12288", "--sequence-length", "256"));
        }
        line.addAll(List.of(more));
        Cli.Outcome outcome = Cli.runOn("local[2]", line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return output;
    }

    private List<Double> divergences(Path... models) throws IOException {
        Path report = folder.resolve("report.json");
        List<String> line = new ArrayList<>(List.of("evaluate", "--model", DOCS_LM, "--output", report.toString()));
        line.addAll(List.of("--text", DOCS_LM + "/samples-eval.txt", "--context", "256", "--chunks", "12"));
        for (Path model : models) {
            line.addAll(List.of("--gguf", model.toString()));
        }
        Cli.Outcome outcome = Cli.runOn("local[2]", line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        List<Double> means = new ArrayList<>();
        for (JsonNode model : new ObjectMapper().readTree(report.toFile()).get("models")) {
            means.add(model.get("comparison").get("kld").asDouble());
        }
        return means;
    }
}

package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.fixtures.HugeModel;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The largest open models are planned from their headers, in little memory. */
class HugePlanTest {
    /** A sixteenth of what a driver may have. */
    private static final String HEAP = "256m";

    private static final long TASK_MEMORY = 8L << 30;

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "LLAMA_405B, 405853388864", // 64 more than its parameters: rope_freqs
        "DEEPSEEK_V3, 671026419200",
        "KIMI_K2, 1026408232448",
    })
    void planTakesLittleMemory(HugeModel model, long weights) throws Exception {
        Path source = model.write(folder);
        long start = System.nanoTime();
        Cli.Outcome outcome =
                ChildJvm.run(HEAP, folder, "plan", "--model", source.toString(), "--type", "Q4_K_M", "--json");
        System.out.printf("plan of %s: %.1f s, heap of %s%n", model, (System.nanoTime() - start) / 1e9, HEAP);
        assertEquals(0, outcome.code(), outcome.err());
        JsonNode plan = new ObjectMapper().readTree(outcome.out());
        assertEquals(weights, plan.get("weights").longValue());
        long memory = plan.get("peakUnitMemory").longValue();
        assertTrue(memory > 0 && memory < TASK_MEMORY, "largest unit: " + memory);
        assertTrue(plan.get("units").intValue() > 10_000, plan.get("units").toString());
    }
}

package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.fixtures.HugeModel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The largest open models are planned from their headers, in little memory. */
class HugePlanTest {
    /** A sixteenth of what a driver may have. */
    private static final String HEAP = "256m";

    private static final String CALIBRATED_HEAP = "512m";
    private static final int TOKENS = 1 << 18;
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

    /** Blocks of 53,248 columns, 126 times: the plan knows every stage of them. */
    @Test
    void calibrationOfTheWidestModelIsPlannedToo() throws Exception {
        JsonNode cost = calibrated("Q4_K_M");
        Map<String, JsonNode> stages = stages(cost);
        assertEquals(
                Set.of("round", "embed", "inputs", "hessians", "factors", "solve", "propagate", "assemble", "validate"),
                stages.keySet());
        assertEquals(126, stages.get("hessians").get("stages").intValue());
        assertEquals(125, stages.get("propagate").get("stages").intValue());
        stages.forEach((kind, stage) -> {
            assertTrue(stage.get("memory").longValue() < TASK_MEMORY, stage.toString());
            assertTrue(stage.get("atOnce").intValue() > 0, stage.toString());
            assertTrue(
                    stage.get("seconds").doubleValue()
                            >= stage.get("criticalSeconds").doubleValue(),
                    stage.toString());
        });
        assertTrue(
                cost.get("driverMemory").longValue() < 4L << 30,
                cost.get("driverMemory").toString());
        // what layers of 53,248 columns, and thrice of 16,384, read, and how it differs from what they read originally
        double inputs = 126.0 * TOKENS * (53_248 + 3 * 16_384) * 2 * Float.BYTES;
        double written = stages.get("inputs").get("writtenBytes").doubleValue();
        assertTrue(written > 0.6 * inputs && written < 1.2 * inputs, written + " of " + inputs);
        JsonNode hessians = stages.get("hessians");
        assertTrue(hessians.get("tasks").longValue() > 126 * 64, "tasks for many cores: " + hessians);
        assertTrue(hessians.get("memory").longValue() <= 512L << 20, "--hessian-memory: " + hessians);
    }

    /** Its blocks are trained one by one; all together they fit no task. */
    @Test
    void trainingOfTheWidestModelIsPlannedToo() throws Exception {
        Map<String, JsonNode> stages = stages(calibrated("Q2_K", "--method", "qat"));
        assertEquals(126, stages.get("teach").get("stages").intValue());
        assertEquals(126 * 120, stages.get("layers").get("stages").intValue());
        assertTrue(stages.containsKey("gradients"), stages.keySet().toString());
        assertFalse(stages.containsKey("model gradients"), stages.keySet().toString());
    }

    private static Map<String, JsonNode> stages(JsonNode cost) {
        Map<String, JsonNode> stages = new HashMap<>();
        cost.get("stages").forEach(stage -> stages.put(stage.get("kind").textValue(), stage));
        return stages;
    }

    private JsonNode calibrated(String type, String... more) throws Exception {
        Path source = HugeModel.LLAMA_405B.write(folder);
        ByteBuffer ids = ByteBuffer.allocate(TOKENS * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        new Random(1).ints(TOKENS, 0, 128_000).forEach(ids::putInt);
        Path text = Files.write(folder.resolve("tokens.bin"), ids.array());
        List<String> line = new ArrayList<>(List.of("plan", "--model", source.toString(), "--type", type, "--json"));
        line.addAll(List.of("--calibration", text.toString(), "--executors", "64"));
        line.addAll(List.of("--executor-cores", "16", "--executor-memory", "64g"));
        line.addAll(List.of(more));
        long start = System.nanoTime();
        Cli.Outcome outcome = ChildJvm.run(CALIBRATED_HEAP, folder, line.toArray(String[]::new));
        System.out.printf(
                "calibrated plan of LLAMA_405B: %.1f s, heap of %s%n",
                (System.nanoTime() - start) / 1e9, CALIBRATED_HEAP);
        assertEquals(0, outcome.code(), outcome.err());
        return new ObjectMapper().readTree(outcome.out()).get("cost");
    }
}

package io.sparkgguf.cli;

import io.sparkgguf.job.PlannedCluster;
import io.sparkgguf.job.Prepared;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code spark-gguf plan}. */
@Command(
        name = "plan",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = {"spark-gguf plan --model PATH --type TYPE [OPTIONS]", "       spark-gguf plan --types"},
        description = {
            "Says what quantize would do: tensors with their types and why, sizes, work units, memory, bytes, time. Reads"
                    + " headers, and calibration text if there is some, but no weight, and starts no Spark. With"
                    + " --target-size or --target-bpw it measures, as quantize does, what types cost tensors.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf plan --model ./Qwen3-8B --type Q4_K_M",
            "  spark-gguf plan --model ./Qwen3-8B --type Q4_K_M --json | jq .bitsPerWeight",
            "  spark-gguf plan --model ./Qwen3-8B --type Q4_K_M --executors 8 --executor-memory 8g --executor-cores 4",
            "  spark-gguf plan --model ./Qwen3-8B --target-bpw 4.25 --imatrix qwen3.imatrix.gguf",
            "  spark-gguf plan --types"
        })
final class PlanCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private QuantizeOptions options;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            description = "The file that quantize would write, checked for being another than the source.")
    private String output;

    @ArgGroup(validate = false, heading = "%nA cluster, to estimate its time and to see whether it is large enough:%n")
    private ClusterOptions asked = new ClusterOptions();

    @Option(names = "--json", description = "Everything, in JSON.")
    private boolean json;

    @Option(names = "--types", help = true, description = "List the types of --type, with what each is for, and end.")
    private boolean listTypes;

    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        if (listTypes) {
            for (FileType type : FileType.values()) {
                out.printf("%-10s %s%n", type, type.help());
            }
            out.flush();
            return 0;
        }
        options.requireGiven(spec.commandLine());
        try (Session session = new Session("spark-gguf plan")) {
            QuantizeJob job = new QuantizeJob(
                    session,
                    options.settings(spec.commandLine().getParseResult(), output, null, null),
                    io.sparkgguf.job.stage.Progress.SILENT);
            PlannedCluster cluster = cluster();
            Prepared prepared = job.prepare();
            PlanPrinter.print(prepared, cluster, json, out);
            if (cluster != null) {
                cluster.require(prepared.cost());
            }
        }
        return 0;
    }

    private PlannedCluster cluster() {
        try {
            return asked.cluster();
        } catch (InvalidInputException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }
}

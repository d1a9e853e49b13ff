package io.sparkgguf.cli;

import io.sparkgguf.job.Inspection;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.report.InspectionReport;
import io.sparkgguf.report.ReportFile;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code spark-gguf inspect}. */
@Command(
        name = "inspect",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        description = {
            "Lists what a checkpoint holds, from its headers: metadata, tensors with shapes, types and places.",
            "",
            "Takes a GGUF file (of a split one, the first), a safetensors file, or a Hugging Face folder of any"
                    + " architecture.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf inspect Qwen3-8B-Q4_K_M.gguf",
            "  spark-gguf inspect ./Qwen3-8B --json | jq '.tensors[].name'"
        })
final class InspectCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "PATH", description = "File or folder, path or URI.")
    private String path;

    @Option(names = "--json", description = "Everything, in JSON.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        InspectionReport found;
        try (Session session = new Session("spark-gguf inspect")) {
            found = Inspection.of(session.storage(), path);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(new String(ReportFile.json(found), StandardCharsets.UTF_8));
        } else {
            print(found, out);
        }
        out.flush();
        return 0;
    }

    private static void print(InspectionReport found, PrintWriter out) {
        found.files().forEach(file -> out.printf("%s  %s%n", file.file(), ByteSize.text(file.bytes())));
        out.println();
        found.metadata().forEach((key, value) -> out.printf("%-44s %s%n", key, value));
        out.println();
        for (InspectionReport.Tensor tensor : found.tensors()) {
            out.printf(
                    "%-48s %-22s %-8s %,14d bytes at %,d%n",
                    tensor.name(), tensor.shape(), tensor.type(), tensor.bytes(), tensor.offset());
        }
        out.printf(
                "%n%s: %d tensors, %,d weights, %s, %.2f bits per weight%n",
                found.format(),
                found.tensors().size(),
                found.weights(),
                ByteSize.text(found.tensorBytes()),
                found.weights() == 0 ? 0 : 8.0 * found.tensorBytes() / found.weights());
    }
}

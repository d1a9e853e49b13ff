package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UriCredentialsTest {

    @ParameterizedTest
    @CsvSource({
        "s3a://AKIA:hidden@bucket/model, s3a://***@bucket/model",
        "s3a://AKIA:hid/den+@bucket/model, s3a://***@bucket/model",
        "hdfs://user:hidden@host:9000/m, hdfs://***@host:9000/m",
        "https://:hidden@host/m, https://***@host/m"
    })
    void refusesPasswordsAndDoesNotRepeatThem(String uri, String shown) {
        Outcome outcome = Cli.run("quantize", "--model=" + uri, "--output", "x.gguf");
        assertEquals(Main.USAGE, outcome.code());
        assertEquals(
                "Cannot use --model=" + shown
                        + ": it holds a password, which would be shown wherever the file is named;"
                        + " give credentials to Hadoop instead, for example in a credential provider",
                outcome.reason());
        assertFalse((outcome.out() + outcome.err()).contains("hidden"), outcome.err());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "s3a://bucket/a:b@c",
                "hdfs://host:9000/x@y",
                "hdfs://user@host/m",
                "abfss://container@account.dfs.core.windows.net/m",
                "/data/a:b@c",
                "file:/a:b@c",
                "general.url=str:https://host/a?b"
            })
    void takesWhatHoldsNone(String argument) {
        assertTrue(UriCredentials.refusal("--model", argument).isEmpty());
    }
}

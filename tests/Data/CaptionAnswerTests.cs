using System.Text.Json;
using LongTake.Data;

namespace LongTake.Tests.Data;

/// <summary>What models answer, and the caption in it.</summary>
public class CaptionAnswerTests
{
    private const string Prompt = "Describe the frames.";

    [Theory]
    [InlineData("A fox runs.", "A fox runs.")]
    [InlineData("<think>\nFirst, a fox...\n</think>\n\nA fox runs.", "A fox runs.")]
    [InlineData("I see a fox. So I write that.\n</think>\nA fox runs.", "A fox runs.")]
    [InlineData("<thinking>a</thinking><thinking>b</thinking>A fox runs.", "A fox runs.")]
    [InlineData(
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>A fox runs.",
        "A fox runs."
    )]
    [InlineData("[THINK]hm[/THINK]A fox runs.</s>", "A fox runs.")]
    [InlineData("◁think▷hm◁/think▷A fox runs.<|im_end|>", "A fox runs.")]
    [InlineData("\"A fox runs.\"", "A fox runs.")]
    [InlineData("“A fox runs.”", "A fox runs.")]
    [InlineData("\"Stop\" is on the sign beside \"Go\"", "\"Stop\" is on the sign beside \"Go\"")]
    [InlineData("```\nA fox runs.\n```", "A fox runs.")]
    [InlineData("```json\n{\"caption\": \"A fox runs.\"}\n```", "A fox runs.")]
    [InlineData("{\"description\": \"A fox runs.\"}", "A fox runs.")]
    [InlineData("Here is a caption: A fox runs.", "A fox runs.")]
    [InlineData("Sure! Here's a detailed caption for the video:\n\nA fox runs.", "A fox runs.")]
    [InlineData("Certainly. Here is one paragraph that describes it:\n\"A fox runs.\"", "A fox runs.")]
    [InlineData("**Caption:** A fox runs.", "A fox runs.")]
    [InlineData("## Description:\nA fox runs.", "A fox runs.")]
    [InlineData("<answer>A fox runs.</answer>", "A fox runs.")]
    [InlineData("Here a fox runs: over the hill.", "Here a fox runs: over the hill.")]
    [InlineData("Okay signs hang over a street.", "Okay signs hang over a street.")]
    [InlineData("A sorry-looking dog says \"I'm sorry\".", "A sorry-looking dog says \"I'm sorry\".")]
    [InlineData("I can see a fox.", "I can see a fox.")]
    [InlineData("一只狐狸在跑。", "一只狐狸在跑。")]
    public void WrappersAreTakenOff(string answer, string caption) =>
        Assert.Equal((caption, ""), CaptionAnswer.Clean(answer, Prompt));

    [Theory]
    [InlineData("", "empty")]
    [InlineData(" \n", "empty")]
    [InlineData("...", "no words")]
    [InlineData("<think>a fox, no, a", "only thinks")]
    [InlineData("<think>done</think>\n", "empty")]
    [InlineData("<|channel|>analysis<|message|>A fox", "only thinks")]
    [InlineData("I'm sorry, but I can't help with that.", "refuses")]
    [InlineData("I’m unable to see images.", "refuses")]
    [InlineData("Sorry, I cannot describe people.", "refuses")]
    [InlineData("I cannot assist with this request.", "refuses")]
    [InlineData("I can’t describe this.", "refuses")]
    [InlineData("As an AI language model, I do not see.", "refuses")]
    [InlineData("Unfortunately, I cannot.", "refuses")]
    [InlineData("No images were provided.", "refuses")]
    [InlineData("抱歉，我无法描述。", "refuses")]
    [InlineData("{\"error\": 1}", "JSON that has no caption")]
    [InlineData("Describe the frames. Describe the frames.", "repeats the question")]
    [InlineData("Here is a caption:", "empty")]
    public void WhatIsNoCaptionSaysWhy(string answer, string why)
    {
        var (caption, problem) = CaptionAnswer.Clean(answer, Prompt);
        Assert.Null(caption);
        Assert.Contains(why, problem);
    }

    [Theory]
    [InlineData("""{"choices":[{"message":{"content":"A fox"},"finish_reason":"length"}]}""", null, "cut off")]
    [InlineData("""{"choices":[{"message":{"content":"A fox"},"finish_reason":"content_filter"}]}""", null, "filtered")]
    [InlineData(
        """{"choices":[{"message":{"content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"}]}""",
        null,
        "tool"
    )]
    [InlineData("""{"choices":[{"message":{"content":null,"refusal":"No."}}]}""", null, "refuses: 'No.'")]
    [InlineData("""{"choices":[{"message":{"content":null,"reasoning_content":"A fox"}}]}""", null, "empty")]
    [InlineData(
        """{"choices":[{"message":{"content":[{"type":"text","text":"A "},{"type":"text","text":"fox"}]}}]}""",
        "A fox",
        ""
    )]
    [InlineData(
        """{"choices":[{"message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"A fox"}]}}]}""",
        "A fox",
        ""
    )]
    [InlineData("""{"choices":[{"message":{"content":"A fox"},"finish_reason":"stop"}]}""", "A fox", "")]
    [InlineData("""{"choices":[]}""", null, "no choice")]
    [InlineData("""{"error":{"message":"overloaded"}}""", null, "overloaded")]
    public void RepliesOfEveryShape(string reply, string? caption, string why)
    {
        using var document = JsonDocument.Parse(reply);
        var read = CaptionAnswer.Read(document.RootElement, Prompt);
        Assert.Equal(caption, read.Caption);
        Assert.Contains(why, read.Problem);
    }
}
